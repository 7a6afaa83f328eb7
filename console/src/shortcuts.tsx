/** Keys that work on every screen, and the list of all of them. */

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { go, link, route } from "./router";
import { Dialog } from "./ui/dialog";

const KEYS: [string[], string][] = [
  [["/"], "Search"],
  [["↑", "↓"], "Move in a list; also PageUp, PageDown, Home and End"],
  [["Enter"], "Open what is chosen"],
  [["Esc"], "Close a dialog or a message, empty a search"],
  [["Ctrl", "Enter"], "Send the message being written"],
  [["g", "o"], "Overview"],
  [["g", "t"], "Topics"],
  [["g", "g"], "Groups"],
  [["g", "s"], "Settings"],
  [["?"], "This list"],
];
const PLACES: Record<string, string> = { o: "#/", t: link("topics"), g: link("groups"), s: link("settings") };
/** How long `g` waits for the letter of the place to go to. */
const SEQUENCE_MS = 1500;

const open = signal(false);

/** Whether the key is meant as text. */
function typing(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement;
  return target.matches("input:not([type=radio], [type=checkbox]), textarea, select");
}

export function Shortcuts() {
  useEffect(() => {
    let pressed_g = -Infinity;
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || typing(event) || document.querySelector("dialog[open]")) return;
      const place = event.timeStamp - pressed_g < SEQUENCE_MS ? PLACES[event.key] : undefined;
      const search = event.key === "/" ? document.querySelector<HTMLInputElement>("[data-search]") : null;
      if (place === undefined && search === null && event.key !== "?") {
        pressed_g = event.key === "g" ? event.timeStamp : -Infinity;
        return;
      }
      event.preventDefault();
      pressed_g = -Infinity;
      if (place !== undefined) go(place);
      else if (search) (search.focus(), search.select());
      else open.value = true;
    };
    addEventListener("keydown", onKeyDown);
    return () => removeEventListener("keydown", onKeyDown);
  }, []);

  const { path } = route.value;
  useEffect(() => {
    open.value = false;
  }, [path]);

  if (!open.value) return null;
  return (
    <Dialog title="Keys" onClose={() => (open.value = false)}>
      <dl class="keys">
        {KEYS.map(([keys, meaning]) => (
          <div key={meaning}>
            <dt>
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
