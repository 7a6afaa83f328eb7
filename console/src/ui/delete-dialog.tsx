import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { words } from "../api/client";
import { go } from "../router";
import { ConfirmDialog } from "./dialog";
import { say } from "./toast";

interface Props {
  /** What it is, as in "topic". */
  what: string;
  name: string;
  remove: (name: string) => Promise<unknown>;
  /** Where to go when it is gone. */
  then: string;
  children: ComponentChildren;
  onClose: () => void;
}

/** Asks for the name of what is to be deleted, deletes it, and says so. */
export function DeleteDialog({ what, name, remove, then, children, onClose }: Props) {
  const text = useSignal("");
  const error = useSignal<string | null>(null);
  const confirm = async () => {
    try {
      await remove(name);
      say(`${what[0]?.toUpperCase()}${what.slice(1)} ${name} deleted`);
      go(then);
    } catch (failure) {
      error.value = words(failure);
    }
  };
  return (
    <ConfirmDialog
      title={`Delete the ${what}?`}
      action={`Delete ${what}`}
      typed={name}
      text={text.value}
      onText={(value) => (text.value = value)}
      error={error.value}
      onConfirm={() => void confirm()}
      onClose={onClose}
    >
      {children}
    </ConfirmDialog>
  );
}
