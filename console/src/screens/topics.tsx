/** All topics: found by a part of their name, in any order. */

import { useComputed, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { getTopics } from "../api/broker";
import type { TopicRow } from "../api/types";
import { produceCommands } from "../commands";
import { bytes, count, plural } from "../logic/format";
import { sorted } from "../logic/sorting";
import { useResource } from "../resource";
import { go, link } from "../router";
import { Button, SearchBox } from "../ui/controls";
import { Commands } from "../ui/copy";
import { Grid, type Column, type Sorting } from "../ui/grid";
import { Badge, Empty, Page, Problem, Waiting } from "../ui/page";
import { CreateTopic } from "./create-topic";

/** Typing is not asking: the broker hears of a search when the keys have rested so long. */
const REST_MS = 150;
/** A list of this length is asked for again every few seconds; a longer one on request. */
const LIVE_LENGTH = 1000;
const LIVE_MS = 5000;

const COLUMNS: Column<TopicRow>[] = [
  { title: "Name", name: "name", sortable: true, cell: (topic) => <TopicName topic={topic} /> },
  { title: "Format", name: "format", sortable: true, cell: (topic) => <FormatBadge format={topic.format} /> },
  { title: "Partitions", name: "partitions", end: true, sortable: true, cell: (topic) => count(topic.partition_count) },
  { title: "Size", name: "size", end: true, sortable: true, cell: (topic) => bytes(topic.size_bytes) },
];

const SORT_KEYS: Record<string, (topic: TopicRow) => string | number> = {
  name: (topic) => topic.name,
  format: (topic) => topic.format,
  partitions: (topic) => topic.partition_count,
  size: (topic) => topic.size_bytes,
};

export function Topics() {
  const search = useSignal("");
  const asked = useSignal("");
  const internal = useSignal(false);
  const creating = useSignal(false);
  const sorting = useSignal<Sorting>({ column: "name", descending: false });
  const long = useSignal(false);
  const list = useResource(
    `${asked.value} ${internal.value}`,
    (signal) => getTopics(asked.value, internal.value, signal),
    long.value ? undefined : LIVE_MS,
  );
  const rows = useComputed(() =>
    sorted(list.data.value?.topics ?? [], SORT_KEYS[sorting.value.column]!, sorting.value.descending),
  );
  const total = list.data.value?.total;
  long.value = (total ?? 0) > LIVE_LENGTH;

  useEffect(() => {
    const timer = setTimeout(() => (asked.value = search.value.trim()), REST_MS);
    return () => clearTimeout(timer);
  }, [search.value]);

  return (
    <Page
      title="Topics"
      facts={total !== undefined && <span>{asked.value ? `${count(total)} found` : total > 0 && plural(total, "topic")}</span>}
      actions={
        <Button look="primary" icon="plus" onClick={() => (creating.value = true)}>
          Create topic
        </Button>
      }
    >
      <div class="toolbar">
        <SearchBox label="Search topics" value={search.value} onInput={(value) => (search.value = value)} />
        <label class="check">
          <input
            type="checkbox"
            checked={internal.value}
            onChange={(event) => (internal.value = event.currentTarget.checked)}
          />
          Internal ones
        </label>
        {long.value && <Button icon="refresh" label="Refresh" onClick={list.reload} />}
      </div>
      {list.error.value !== null && <Problem error={list.error.value} onRetry={list.reload} />}
      {list.data.value === null && list.error.value === null && <Waiting />}
      {total !== undefined && rows.value.length < total && (
        <p class="quiet">
          The first {count(rows.value.length)} of {plural(total, "topic")}: search for the others.
        </p>
      )}
      {rows.value.length > 0 && (
        <Grid
          name="topics"
          label="Topics"
          columns={COLUMNS}
          rows={rows.value}
          keyOf={(topic) => topic.name}
          onOpen={(topic) => go(link("topics", topic.name))}
          sorting={sorting.value}
          onSort={(value) => (sorting.value = value)}
          narrowRowHeight={62}
        />
      )}
      {total === 0 && <NoTopics search={asked.value} onCreate={() => (creating.value = true)} />}
      {creating.value && <CreateTopic onClose={() => (creating.value = false)} />}
    </Page>
  );
}

function NoTopics({ search, onCreate }: { search: string; onCreate: () => void }) {
  if (search) {
    return (
      <Empty icon="search" title="No topic has this in its name.">
        <p class="mono">{search}</p>
      </Empty>
    );
  }
  return (
    <Empty icon="topics" title="No topics yet">
      <p>The first message to a topic makes it:</p>
      <Commands commands={produceCommands("hello")} />
      <p>or</p>
      <Button look="primary" icon="plus" onClick={onCreate}>
        Create topic
      </Button>
    </Empty>
  );
}

function TopicName({ topic }: { topic: TopicRow }) {
  return (
    <>
      <a class="name" href={link("topics", topic.name)} tabIndex={-1}>
        {topic.name}
      </a>
      {topic.internal && <Badge>internal</Badge>}
    </>
  );
}

export function FormatBadge({ format }: { format: string }) {
  const meaning =
    format === "plain"
      ? "Made by the text protocol: values only, offsets are positions in the file"
      : "Made by a Kafka client or by HTTP: keys, headers and times, offsets count messages";
  return (
    <span class={`format format-${format}`} title={meaning}>
      {format}
    </span>
  );
}
