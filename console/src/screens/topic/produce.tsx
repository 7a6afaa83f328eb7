/** The dialog that sends messages. It stays open, so that one can be followed by the next. */

import { useSignal, type Signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { produce } from "../../api/broker";
import { isAbort, Refusal, words } from "../../api/client";
import type { StoredAt, StreamRecord, Topic } from "../../api/types";
import { count, plural } from "../../logic/format";
import { batches, formOf, problemOf, recordOf, type Encoding, type MessageForm } from "../../logic/message-form";
import { Button, Field, Segmented, Select } from "../../ui/controls";
import { Dialog } from "../../ui/dialog";
import { Icon } from "../../ui/icon";

/** What the dialog begins with. */
export interface Draft {
  record?: StreamRecord;
}

const ENCODINGS: readonly (readonly [Encoding, string])[] = [
  ["text", "Text"],
  ["json", "JSON"],
  ["base64", "Base64"],
];
const REPEAT_MAX = 100_000;

interface ProduceProps {
  topic: Topic;
  draft: Draft;
  onStored: () => void;
  onClose: () => void;
}

type Outcome =
  | { kind: "idle" }
  | { kind: "sending"; sent: number }
  | { kind: "stored"; sent: number; last: StoredAt | null }
  | { kind: "failed"; sent: number; error: unknown };

export function Produce({ topic, draft, onStored, onClose }: ProduceProps) {
  const form = useSignal<MessageForm>(formOf(draft.record ?? null));
  const outcome = useSignal<Outcome>({ kind: "idle" });
  const giveUp = useRef(new AbortController());
  useEffect(() => () => giveUp.current.abort(), []);
  const plain = topic.format === "plain";
  const problem = problemOf(form.value);
  const sending = outcome.value.kind === "sending";

  const send = async () => {
    if (problem || sending) return;
    giveUp.current = new AbortController();
    let sent = 0;
    let last: StoredAt | null = null;
    outcome.value = { kind: "sending", sent };
    try {
      const record = recordOf(form.value, plain);
      for (const batch of batches(record, form.value.repeat)) {
        const offsets = await produce(topic.name, batch, giveUp.current.signal);
        sent += offsets.length;
        last = offsets.at(-1) ?? null;
        outcome.value = { kind: "sending", sent };
      }
      outcome.value = { kind: "stored", sent, last };
    } catch (error) {
      if (!isAbort(error)) outcome.value = { kind: "failed", sent, error };
      else outcome.value = { kind: "stored", sent, last };
    }
    onStored();
  };
  const change = (part: Partial<MessageForm>) => (form.value = { ...form.value, ...part });

  return (
    <Dialog
      title={`Produce to ${topic.name}`}
      look="wide"
      onClose={onClose}
      onSubmit={() => void send()}
      actions={
        <>
          <Result outcome={outcome} repeat={form.value.repeat} topic={topic} />
          {sending ? (
            <Button icon="close" onClick={() => giveUp.current.abort()}>
              Stop
            </Button>
          ) : (
            <Button look="primary" icon="send" type="submit" disabled={problem !== null}>
              {form.value.repeat > 1 ? `Send ${count(form.value.repeat)} times` : "Send"}
            </Button>
          )}
        </>
      }
    >
      <div
        class="produce"
        onKeyDown={(event) => {
          if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
            event.preventDefault();
            void send();
          }
        }}
      >
        {plain && (
          <p class="notice notice-plain">This is a plain topic: its messages are values, without keys and headers.</p>
        )}
        <div class="fields">
          {!plain && <KeyField form={form.value} change={change} problem={problem?.field === "key" ? problem.reason : null} />}
          {topic.partitions.length > 1 && (
            <Field label="Partition" hint={form.value.partition === "" ? (form.value.key ? "by the key" : "in turn") : undefined}>
              {({ id }) => (
                <Select
                  id={id}
                  label="Partition"
                  options={[["", "Automatic"], ...topic.partitions.map(({ partition }): [string, string] => [String(partition), String(partition)])]}
                  value={form.value.partition}
                  onChange={(partition) => change({ partition })}
                />
              )}
            </Field>
          )}
          <Field label="Repeat" error={problem?.field === "repeat" ? problem.reason : null}>
            {(attributes) => (
              <input
                {...attributes}
                class="input"
                type="number"
                min="1"
                max={REPEAT_MAX}
                value={form.value.repeat}
                onInput={(event) => change({ repeat: event.currentTarget.valueAsNumber || 0 })}
              />
            )}
          </Field>
        </div>
        <ValueField form={form.value} change={change} problem={problem?.field === "value" ? problem.reason : null} />
        {!plain && <HeaderFields form={form.value} change={change} problem={problem?.field === "headers" ? problem.reason : null} />}
      </div>
    </Dialog>
  );
}

interface PartProps {
  form: MessageForm;
  change: (part: Partial<MessageForm>) => void;
  problem: string | null;
}

function KeyField({ form, change, problem }: PartProps) {
  return (
    <Field label="Key" hint="None if left empty" error={problem}>
      {(attributes) => (
        <input
          {...attributes}
          class="input mono"
          autocomplete="off"
          spellcheck={false}
          value={form.key}
          onInput={(event) => change({ key: event.currentTarget.value })}
        />
      )}
    </Field>
  );
}

function ValueField({ form, change, problem }: PartProps) {
  return (
    <div class="value-field">
      <Segmented label="Format of the value" options={ENCODINGS} value={form.encoding} onChange={(encoding) => change({ encoding })} />
      <Field label="Value" error={problem}>
        {(attributes) => (
          <textarea
            {...attributes}
            class="input mono"
            data-first
            rows={9}
            spellcheck={false}
            value={form.value}
            onInput={(event) => change({ value: event.currentTarget.value })}
          />
        )}
      </Field>
    </div>
  );
}

function HeaderFields({ form, change, problem }: PartProps) {
  const { headers } = form;
  const put = (index: number, part: Partial<(typeof headers)[number]>) =>
    change({ headers: headers.map((header, at) => (at === index ? { ...header, ...part } : header)) });
  return (
    <fieldset class="header-fields">
      <legend class="label">Headers</legend>
      {headers.map((header, index) => (
        <div key={index} class="header-field">
          <input
            class="input mono"
            aria-label={`Name of header ${index + 1}`}
            placeholder="name"
            value={header.name}
            onInput={(event) => put(index, { name: event.currentTarget.value })}
          />
          <input
            class="input mono"
            aria-label={`Value of header ${index + 1}`}
            placeholder="value"
            value={header.value}
            onInput={(event) => put(index, { value: event.currentTarget.value })}
          />
          <Button
            icon="close"
            label={`Remove header ${index + 1}`}
            look="quiet"
            onClick={() => change({ headers: headers.filter((_, at) => at !== index) })}
          />
        </div>
      ))}
      {problem && <p class="field-note field-bad">{problem}</p>}
      <Button icon="plus" look="quiet" onClick={() => change({ headers: [...headers, { name: "", value: "" }] })}>
        Add header
      </Button>
    </fieldset>
  );
}

function Result({ outcome, repeat, topic }: { outcome: Signal<Outcome>; repeat: number; topic: Topic }) {
  const now = outcome.value;
  return (
    <p class={`result result-${now.kind}`} role="status">
      {now.kind === "idle" && <span class="quiet">{topic.name && "Ctrl + Enter sends"}</span>}
      {now.kind === "sending" && (
        <>
          <progress aria-label="Sent" value={now.sent} max={repeat} />
          {count(now.sent)} of {count(repeat)}
        </>
      )}
      {now.kind === "stored" && now.last && (
        <>
          <Icon name="check" />
          {now.sent === 1
            ? `Stored at ${topic.partitions.length > 1 ? `partition ${now.last.partition}, ` : ""}offset ${count(now.last.offset)}`
            : `${plural(now.sent, "message")} stored`}
        </>
      )}
      {now.kind === "failed" && (
        <>
          <Icon name="warning" />
          {failure(now)}
        </>
      )}
    </p>
  );
}

function failure({ error, sent }: Extract<Outcome, { kind: "failed" }>): string {
  const reason = error instanceof Refusal || sent === 0 ? words(error) : `${words(error)} The last ones may be stored or not.`;
  return sent > 0 ? `After ${plural(sent, "message")}: ${reason}` : reason;
}
