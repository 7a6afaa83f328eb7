/** The messages, a line each. */

import type { Signal } from "@preact/signals";
import type { StreamRecord, Topic } from "../../api/types";
import { consumeCommands, produceCommands } from "../../commands";
import { bytes, timestamp } from "../../logic/format";
import { excerpt, payloadPreview } from "../../logic/payload";
import { Commands } from "../../ui/copy";
import { Grid, type Column } from "../../ui/grid";
import { Empty } from "../../ui/page";
import { wide } from "../../ui/screen";
import type { Feed } from "./feeds/feed";
import type { View } from "./messages";
import { Marked } from "./payload-view";

/** Characters that a line may show; the screen cuts earlier. */
const PREVIEW_LENGTH = 300;
const KEY_LENGTH = 120;
const DAY_MS = 86_400_000;

export function messageKey(record: StreamRecord): string {
  return `${record.partition}:${record.offset}`;
}

interface ListProps {
  topic: Topic;
  feed: Feed;
  view: View;
  open: Signal<StreamRecord | null>;
}

export function MessageList({ topic, feed, view, open }: ListProps) {
  const records = feed.records.value;
  if (records.length === 0) return <NoMessages topic={topic} feed={feed} view={view} />;
  return (
    <Grid
      widest={String(largestOffset(topic, records)).length}
      name={`messages${topic.format === "plain" ? " grid-plain" : ""}${topic.partitions.length > 1 ? " grid-many" : ""}${records.every(isOfToday) ? " grid-today" : ""}`}
      label="Messages"
      columns={columnsOf(topic, view.search)}
      rows={records}
      keyOf={messageKey}
      rowHeight={34}
      narrowRowHeight={58}
      selected={open.value && messageKey(open.value)}
      prepended={feed.prepended.value}
      onOpen={(record) => (open.value = record)}
      onActive={(record) => wide.value && open.value && (open.value = record)}
      onEnd={() => feed.more?.()}
    />
  );
}

/** A tail may be ahead of what is known of the topic. */
function largestOffset(topic: Topic, records: readonly StreamRecord[]): number {
  const known = topic.partitions.reduce((largest, each) => Math.max(largest, each.high_watermark), 0);
  return records.reduce((largest, record) => Math.max(largest, record.offset), known);
}

function columnsOf(topic: Topic, search: string): Column<StreamRecord>[] {
  const offset: Column<StreamRecord> = { title: "Offset", name: "offset", end: true, cell: (record) => record.offset };
  const partition: Column<StreamRecord> = {
    title: "Part.",
    name: "partition",
    end: true,
    cell: (record) => <span title={`Partition ${record.partition}`}>{record.partition}</span>,
  };
  const value: Column<StreamRecord> = {
    title: "Value",
    name: "value",
    cell: (record) => <Value record={record} search={search} />,
  };
  const size: Column<StreamRecord> = { title: "Size", name: "size", end: true, cell: (record) => bytes(record.size_bytes) };
  const many = topic.partitions.length > 1 ? [partition] : [];
  if (topic.format === "plain") return [...many, offset, value, size];
  const time: Column<StreamRecord> = {
    title: "Time",
    name: "time",
    cell: (record) => <Time record={record} />,
  };
  const key: Column<StreamRecord> = {
    title: "Key",
    name: "key",
    cell: (record) =>
      record.key === null ? <span class="none">–</span> : <Marked text={payloadPreview(record.key, KEY_LENGTH)} found={search} />,
  };
  return [...many, offset, time, key, value, size];
}

/** The day is worth its room only where it is not today. */
function Time({ record }: { record: StreamRecord }) {
  if (record.timestamp_ms === null) return null;
  const full = timestamp(record.timestamp_ms);
  return (
    <time title={full}>{isOfToday(record) ? full.slice(11) : full.slice(0, 19)}</time>
  );
}

function isOfToday(record: StreamRecord): boolean {
  const midnight = new Date().setHours(0, 0, 0, 0);
  return record.timestamp_ms !== null && record.timestamp_ms >= midnight && record.timestamp_ms < midnight + DAY_MS;
}

function Value({ record, search }: { record: StreamRecord; search: string }) {
  const { value } = record;
  if (value === null) return <span class="none">null</span>;
  if (typeof value !== "string") return <span class="binary">{payloadPreview(value, PREVIEW_LENGTH)}</span>;
  if (value === "") return <span class="none">empty</span>;
  return <Marked text={excerpt(value, search, PREVIEW_LENGTH)} found={search} />;
}

function NoMessages({ topic, feed, view }: Omit<ListProps, "open">) {
  const status = feed.status.value;
  if (status.kind === "searched") {
    return (
      <Empty icon="search" title={status.cancelled ? "Nothing found before it was cancelled." : "No message holds this text."}>
        <p class="mono">{view.search}</p>
      </Empty>
    );
  }
  if (status.kind === "live" && status.state !== "waiting") {
    return (
      <Empty icon="play" title="Messages appear here as they come">
        {!topic.internal && <Commands commands={produceCommands(topic.name)} />}
      </Empty>
    );
  }
  if (status.kind !== "page") return null;
  const stored = topic.partitions.some((each) => each.high_watermark > each.log_start_offset);
  if (stored) {
    return (
      <Empty icon="topics" title="No messages from there on">
        <p>Choose an earlier place, another partition, or the oldest ones.</p>
        <Commands commands={consumeCommands(topic.name)} />
      </Empty>
    );
  }
  return (
    <Empty icon="topics" title="No messages yet">
      <p>Produce one here, or from a terminal:</p>
      <Commands commands={produceCommands(topic.name)} />
    </Empty>
  );
}
