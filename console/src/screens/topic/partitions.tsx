/** Where each partition begins and ends, and how much of the disk it takes. */

import { useSignal } from "@preact/signals";
import { changeTopic } from "../../api/broker";
import { words } from "../../api/client";
import type { Partition, Topic } from "../../api/types";
import { bytes, count, plural } from "../../logic/format";
import { go, link } from "../../router";
import { Button, Field } from "../../ui/controls";
import { Dialog } from "../../ui/dialog";
import { Grid, type Column } from "../../ui/grid";
import { say } from "../../ui/toast";

export function Partitions({ topic, onChange }: { topic: Topic; onChange: () => void }) {
  const adding = useSignal(false);
  const largest = Math.max(1, ...topic.partitions.map((each) => each.size_bytes));
  const inRecords = topic.offset_unit === "records";
  const columns: Column<Partition>[] = [
    { title: "Partition", name: "partition", cell: (each) => each.partition },
    { title: "First offset", name: "start", end: true, cell: (each) => count(each.log_start_offset) },
    { title: "Next offset", name: "next", end: true, cell: (each) => count(each.high_watermark) },
    ...(inRecords
      ? [
          {
            title: "Messages",
            name: "messages",
            end: true,
            cell: (each: Partition) => count(each.high_watermark - each.log_start_offset),
          },
        ]
      : []),
    { title: "Segments", name: "segments", end: true, cell: (each) => count(each.segment_count) },
    { title: "Size", name: "size", end: true, cell: (each) => bytes(each.size_bytes) },
    { title: "Share of the largest", name: "share", untitled: true, cell: (each) => <Share share={each.size_bytes / largest} /> },
  ];
  return (
    <>
      <div class="toolbar">
        <p class="quiet toolbar-text">
          {inRecords ? "Offsets count messages." : "Offsets are positions in the file, in bytes."}
        </p>
        {!topic.internal && (
          <Button icon="plus" onClick={() => (adding.value = true)}>
            Add partitions
          </Button>
        )}
      </div>
      <Grid
        name="partitions"
        label="Partitions"
        columns={columns}
        rows={topic.partitions}
        keyOf={(each) => String(each.partition)}
        onOpen={(each) => go(`${link("topics", topic.name)}?partition=${each.partition}`)}
        narrowRowHeight={56}
      />
      {adding.value && <AddPartitions topic={topic} onChange={onChange} onClose={() => (adding.value = false)} />}
    </>
  );
}

function Share({ share }: { share: number }) {
  return (
    <span class="meter" aria-hidden="true">
      <i style={{ width: `${share * 100}%` }} />
    </span>
  );
}

interface AddProps {
  topic: Topic;
  onChange: () => void;
  onClose: () => void;
}

function AddPartitions({ topic, onChange, onClose }: AddProps) {
  const now = topic.partitions.length;
  const wanted = useSignal(String(now + 1));
  const error = useSignal<string | null>(null);
  const add = async () => {
    try {
      await changeTopic(topic.name, { partitions: Number(wanted.value) });
      say(`${topic.name} has ${plural(Number(wanted.value), "partition")}`);
      onChange();
      onClose();
    } catch (failure) {
      error.value = words(failure);
    }
  };
  return (
    <Dialog
      title="Add partitions"
      onClose={onClose}
      onSubmit={() => void add()}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" type="submit" disabled={!(Number(wanted.value) > now)}>
            Add
          </Button>
        </>
      }
    >
      <p>
        Keys are spread over all partitions, so some keys go to another partition from then on. There is no way back to
        fewer.
      </p>
      <Field label="Partitions in all" hint={`${now} now`} error={error.value}>
        {(attributes) => (
          <input
            {...attributes}
            class="input"
            data-first
            type="number"
            min={now + 1}
            max="10000"
            value={wanted.value}
            onInput={(event) => (wanted.value = event.currentTarget.value)}
          />
        )}
      </Field>
    </Dialog>
  );
}
