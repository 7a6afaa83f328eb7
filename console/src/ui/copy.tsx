/** Putting text on the clipboard, and lines that are there to be copied. */

import { useSignal } from "@preact/signals";
import { Button, Segmented } from "./controls";
import { say } from "./toast";

/** Browsers give the clipboard to https and localhost only; elsewhere the selection has to do. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    (document.querySelector("dialog[open]") ?? document.body).append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    return copied;
  }
}

interface CopyProps {
  /** Asked for when it is needed: it may be long. */
  text: () => string;
  what: string;
  /** Shown beside the icon. */
  title?: string;
  /** Read out and shown under the pointer, where "Copy" and what it is would not do. */
  label?: string;
}

export function CopyButton({ text, what, title, label = `Copy ${what.toLowerCase()}` }: CopyProps) {
  const copy = async () => say((await copyText(text())) ? `${what} copied` : "The browser does not allow copying here");
  return (
    <Button icon="copy" label={label} look="quiet" onClick={() => void copy()}>
      {title}
    </Button>
  );
}

/** A command for a terminal. */
export function CommandLine({ command }: { command: string }) {
  return (
    <div class="command">
      <code tabIndex={0}>{command}</code>
      <CopyButton text={() => command} what="Command" />
    </div>
  );
}

export type Client = "nc" | "curl" | "kcat";

interface CommandsProps {
  /** What each client does, in one or several commands. */
  commands: Partial<Record<Client, string | string[]>>;
}

/** The same thing done by several clients, one at a time in sight. */
export function Commands({ commands }: CommandsProps) {
  const clients = Object.keys(commands) as Client[];
  const chosen = useSignal<Client>(clients[0]!);
  return (
    <div class="commands">
      <Segmented
        label="Client"
        options={clients.map((client) => [client, client] as const)}
        value={chosen.value}
        onChange={(client) => (chosen.value = client)}
      />
      {[commands[chosen.value] ?? []].flat().map((command) => (
        <CommandLine key={command} command={command} />
      ))}
    </div>
  );
}
