/** The dialog that makes a topic. */

import { useSignal } from "@preact/signals";
import { createTopic, getSettings, type NewTopic } from "../api/broker";
import { Refusal, words } from "../api/client";
import type { Format } from "../api/types";
import { useResource } from "../resource";
import { go, link } from "../router";
import { Button, Field, Segmented } from "../ui/controls";
import { Dialog } from "../ui/dialog";
import { say } from "../ui/toast";

const NAME = /^[A-Za-z0-9._-]{1,249}$/;

interface CreateProps {
  name?: string;
  onClose: () => void;
}

export function CreateTopic({ name: proposed = "", onClose }: CreateProps) {
  const name = useSignal(proposed);
  const partitions = useSignal("");
  const format = useSignal<Format>("batch");
  const retention = useSignal("");
  const failure = useSignal<unknown>(null);
  const busy = useSignal(false);
  const defaults = useResource("settings", getSettings).data.value;
  const byDefault = (setting: string) => defaults?.find((each) => each.name === setting)?.value ?? "";
  const wrongName = name.value !== "" && !isTopicName(name.value);

  const create = async () => {
    busy.value = true;
    failure.value = null;
    const topic: NewTopic = { name: name.value, format: format.value, settings: {} };
    if (partitions.value) topic.partitions = Number(partitions.value);
    if (retention.value) topic.settings["retention.ms"] = retention.value;
    try {
      await createTopic(topic);
      say(`Topic ${topic.name} created`);
      onClose();
      go(link("topics", topic.name));
    } catch (error) {
      failure.value = error;
    }
    busy.value = false;
  };
  const field = failure.value instanceof Refusal ? failure.value.field : null;
  const errorOf = (which: string) => (field?.includes(which) ? words(failure.value) : null);
  const elsewhere = failure.value !== null && !["name", "partitions", "retention.ms"].some((each) => field?.includes(each));

  return (
    <Dialog
      title="Create a topic"
      onClose={onClose}
      onSubmit={() => void create()}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" type="submit" disabled={!isTopicName(name.value) || busy.value}>
            Create
          </Button>
        </>
      }
    >
      <Field
        label="Name"
        hint="Letters, digits, dots, underscores and hyphens"
        error={wrongName ? "Use 1 to 249 letters, digits, dots, underscores and hyphens." : errorOf("name")}
      >
        {(attributes) => (
          <input
            {...attributes}
            class="input mono"
            data-first
            autocomplete="off"
            spellcheck={false}
            value={name.value}
            onInput={(event) => (name.value = event.currentTarget.value)}
          />
        )}
      </Field>
      <div class="fields">
        <Field label="Partitions" hint={`${byDefault("partition_count") || 1} if left empty`} error={errorOf("partitions")}>
          {(attributes) => (
            <input
              {...attributes}
              class="input"
              type="number"
              min="1"
              max="10000"
              value={partitions.value}
              onInput={(event) => (partitions.value = event.currentTarget.value)}
            />
          )}
        </Field>
        <Field
          label="Keep messages for"
          hint={`Such as 12h or 7d; ${byDefault("retention_ms") || "none"} if left empty`}
          error={errorOf("retention.ms")}
        >
          {(attributes) => (
            <input
              {...attributes}
              class="input"
              autocomplete="off"
              value={retention.value}
              onInput={(event) => (retention.value = event.currentTarget.value)}
            />
          )}
        </Field>
      </div>
      <div class="field">
        <span class="label">Format</span>
        <Segmented<Format>
          label="Format"
          options={[
            ["batch", "batch"],
            ["plain", "plain"],
          ]}
          value={format.value}
          onChange={(value) => (format.value = value)}
        />
        <p class="field-note">
          {format.value === "batch"
            ? "Keys, headers and times beside the values, as Kafka has them. Offsets count messages."
            : "Values only, in a file that holds nothing else. Offsets are positions in that file."}
        </p>
      </div>
      {elsewhere && (
        <p class="notice notice-bad" role="alert">
          {words(failure.value)}
        </p>
      )}
    </Dialog>
  );
}

function isTopicName(name: string): boolean {
  return NAME.test(name) && name !== "." && name !== "..";
}
