/** A short word about what was done, read out by screen readers and gone after a while. */

import { signal } from "@preact/signals";
import { Icon } from "./icon";

const SHOWN_MS = 4000;

const toast = signal("");
let timer: ReturnType<typeof setTimeout> | undefined;

export function say(message: string): void {
  toast.value = message;
  clearTimeout(timer);
  timer = setTimeout(() => (toast.value = ""), SHOWN_MS);
}

export function Toast() {
  return (
    <div class="toast-place" role="status" aria-live="polite">
      {toast.value && (
        <p class="toast">
          <Icon name="check" />
          {toast.value}
        </p>
      )}
    </div>
  );
}
