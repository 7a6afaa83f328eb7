/** What of a topic is shown: where from, which partition, holding which text. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Topic } from "../../api/types";
import { ago, clock, timestamp } from "../../logic/format";
import { parseTime } from "../../logic/time";
import { Button, SearchBox, Segmented, Select } from "../../ui/controls";
import { LANES_MAX, PARTS, startOf, type View } from "./messages";

const DAY_MS = 86_400_000;

type Mode = "latest" | "earliest" | "from" | "live";

const MODES: readonly (readonly [Mode, string])[] = [
  ["latest", "Newest"],
  ["earliest", "Oldest"],
  ["from", "From…"],
  ["live", "Live"],
];

interface ToolbarProps {
  topic: Topic;
  view: View;
  onView: (view: View) => void;
  onRefresh: () => void;
}

export function Toolbar({ topic, view, onView, onRefresh }: ToolbarProps) {
  const asking = useSignal(modeOf(view.from) === "from");
  const search = useSignal(view.search);
  const mode = asking.value ? "from" : modeOf(view.from);
  const many = topic.partitions.length > 1;

  useEffect(() => {
    search.value = view.search;
  }, [view.search]);

  const choose = (chosen: Mode) => {
    asking.value = chosen === "from";
    if (chosen !== "from") onView({ ...view, from: chosen });
  };
  const find = (text: string) => {
    search.value = text;
    if (text === "" && view.search !== "") onView({ ...view, search: "" });
  };
  return (
    <div class="toolbar toolbar-messages">
      <Segmented label="Which messages" options={MODES} value={mode} onChange={choose} />
      {many && (
        <Select
          label="Partition"
          options={partitionOptions(topic)}
          value={view.partition}
          onChange={(partition) => onView({ ...view, partition })}
        />
      )}
      {asking.value && <From view={view} onView={onView} inRecords={topic.format === "batch"} />}
      <form
        class="find"
        role="search"
        onSubmit={(event) => {
          event.preventDefault();
          const text = search.value;
          if (text === view.search) onRefresh();
          else onView({ ...view, search: text, from: view.from === "live" ? "latest" : view.from });
        }}
      >
        <SearchBox label="Search messages" value={search.value} onInput={find} />
        {search.value !== "" && <Parts view={view} onView={onView} plain={topic.format === "plain"} />}
        {search.value !== "" && (
          <Button type="submit" look="primary">
            Search
          </Button>
        )}
      </form>
      <Button icon="refresh" label="Refresh" disabled={view.search === "" && view.from === "live"} onClick={onRefresh} />
    </div>
  );
}

interface PartProps {
  view: View;
  onView: (view: View) => void;
}

/** An offset or a time, and what the text means before it is asked for. */
function From({ view, onView, inRecords }: PartProps & { inRecords: boolean }) {
  const text = useSignal(modeOf(view.from) === "from" ? view.from : "");
  const start = text.value.trim() === "" ? "" : startOf(text.value.trim());
  const understood = /^(\d+|@\d+)$/.test(start);
  return (
    <form
      class="from"
      onSubmit={(event) => {
        event.preventDefault();
        if (understood) onView({ ...view, from: text.value.trim() });
      }}
    >
      <input
        class="input"
        aria-label="Offset or time"
        aria-describedby="from-note"
        aria-invalid={text.value !== "" && !understood}
        placeholder={inRecords ? "offset, 10m ago, 14:30…" : "offset in bytes, 10m ago…"}
        autocomplete="off"
        ref={(element) => void (element && text.peek() === "" && element.focus())}
        value={text.value}
        onInput={(event) => (text.value = event.currentTarget.value)}
      />
      <Button type="submit" disabled={!understood}>
        Go
      </Button>
      <span class="from-note quiet" id="from-note" role="status">
        {meaningOf(text.value.trim(), start)}
      </span>
    </form>
  );
}

function meaningOf(text: string, start: string): string {
  if (text === "" || /^\d+$/.test(start)) return "";
  const now = Date.now();
  const time = parseTime(text, now);
  if (time === null) return "an offset, or a time such as 10m ago, 14:30 or 2026-01-31 14:30";
  return time > now - DAY_MS ? `${clock(time)}, ${ago(time, now)}` : timestamp(time).slice(0, 19);
}

function Parts({ view, onView, plain }: PartProps & { plain: boolean }) {
  if (plain) return null; // there are values only
  const toggle = (part: string, on: boolean) => {
    const parts = PARTS.filter((each) => (each === part ? on : view.parts.includes(each)));
    if (parts.length) onView({ ...view, parts });
  };
  return (
    <fieldset class="parts">
      <legend class="unseen">Search in</legend>
      {PARTS.map((part) => (
        <label key={part} class="check">
          <input
            type="checkbox"
            checked={view.parts.includes(part)}
            onChange={(event) => toggle(part, event.currentTarget.checked)}
          />
          {part}
        </label>
      ))}
    </fieldset>
  );
}

function partitionOptions(topic: Topic): [string, string][] {
  const each = topic.partitions.map(({ partition }): [string, string] => [String(partition), `Partition ${partition}`]);
  return topic.partitions.length > LANES_MAX ? each : [["", "All partitions"], ...each];
}

function modeOf(from: string): Mode {
  return from === "latest" || from === "earliest" || from === "live" ? from : "from";
}
