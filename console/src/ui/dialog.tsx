/** A modal dialog: the browser traps the focus in it, gives it back at the end, and closes it by Escape. */

import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { Button } from "./controls";

interface DialogProps {
  title: string;
  children: ComponentChildren;
  /** Buttons at its foot. */
  actions?: ComponentChildren;
  /** `sheet` fills the height: for content rather than a question. */
  look?: "usual" | "wide" | "sheet";
  onClose: () => void;
  /** With it the dialog is a form. */
  onSubmit?: () => void;
}

export function Dialog({ title, children, actions, look = "usual", onClose, onSubmit }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => {
    const element = dialog.current!;
    const before = document.activeElement as HTMLElement | null;
    element.showModal();
    element.querySelector<HTMLElement>("[data-first]")?.focus();
    return () => {
      element.close();
      before?.focus(); // a dialog that leaves the page together with its content does not do it by itself
    };
  }, []);
  const Body = onSubmit ? "form" : "div";
  return (
    <dialog
      ref={dialog}
      class={`dialog dialog-${look}`}
      aria-labelledby={heading}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onPointerDown={(event) => event.target === dialog.current && onClose()}
    >
      <Body
        class="dialog-body"
        onSubmit={(event: Event) => {
          event.preventDefault();
          onSubmit?.();
        }}
      >
        <header class="dialog-head">
          <h2 id={heading}>{title}</h2>
          <Button icon="close" label="Close" look="quiet" onClick={onClose} />
        </header>
        <div class="dialog-content">{children}</div>
        {actions && <footer class="dialog-foot">{actions}</footer>}
      </Body>
    </dialog>
  );
}

interface ConfirmProps {
  title: string;
  /** What is lost. */
  children: ComponentChildren;
  action: string;
  /** What has to be typed before it is done. */
  typed: string;
  text: string;
  onText: (text: string) => void;
  error: string | null;
  onConfirm: () => void;
  onClose: () => void;
}

/** Asks before something is destroyed: its name has to be typed. */
export function ConfirmDialog(props: ConfirmProps) {
  const id = useId();
  const agreed = props.text === props.typed;
  return (
    <Dialog
      title={props.title}
      onClose={props.onClose}
      onSubmit={() => agreed && props.onConfirm()}
      actions={
        <>
          <Button onClick={props.onClose}>Cancel</Button>
          <Button look="danger" type="submit" disabled={!agreed}>
            {props.action}
          </Button>
        </>
      }
    >
      {props.children}
      <div class="field">
        <label for={id}>
          Type <strong class="mono">{props.typed}</strong> to confirm
        </label>
        <input
          id={id}
          class="input mono"
          data-first
          autocomplete="off"
          spellcheck={false}
          value={props.text}
          onInput={(event) => props.onText(event.currentTarget.value)}
        />
      </div>
      {props.error && (
        <p class="notice notice-bad" role="alert">
          {props.error}
        </p>
      )}
    </Dialog>
  );
}
