/** Pages of the log: forward from a place in it, or backward from its end. */

import { batch, signal } from "@preact/signals";
import { getRecords, getTopic } from "../../../api/broker";
import { isAbort } from "../../../api/client";
import type { OffsetUnit, Partition, StreamRecord } from "../../../api/types";
import { mergedRecords, type Direction, type Lane } from "../../../logic/merge";
import type { Feed, Scope, Status } from "./feed";

const PAGE_LENGTH = 100;
/** Messages that stay in the browser; further ones are reached from another place in the log. */
export const PAGES_LENGTH_MAX = 5000;
/** How far a step back reaches: offsets of plain topics are bytes, and a message may be longer than a step. */
const STEP_BACK: Record<OffsetUnit, number> = { records: PAGE_LENGTH, bytes: 32 * 1024 };
const STEP_BACK_MAX = 64 * 1024 * 1024;

/** Where reading begins: `latest` goes backward, all else forward. */
export function pagesFeed(scope: Scope, from: string): Feed {
  const records = signal<readonly StreamRecord[]>([]);
  const status = signal<Status>({ kind: "loading" });
  const giveUp = new AbortController();
  const direction: Direction = from === "latest" ? "backward" : "forward";
  let lanes: Lane[] | null = null;
  let busy = false;

  const more = async () => {
    if (busy || giveUp.signal.aborted) return;
    busy = true;
    try {
      lanes ??= await openLanes(scope, from, giveUp.signal);
      const page = await mergedRecords(lanes, direction, PAGE_LENGTH, giveUp.signal);
      batch(() => {
        records.value = [...records.value, ...page];
        const atEnd = lanes!.every((lane) => lane.done && lane.waiting.length === 0);
        status.value = { kind: "page", atEnd, full: records.value.length >= PAGES_LENGTH_MAX };
      });
    } catch (error) {
      if (!isAbort(error)) status.value = { kind: "failed", error };
    }
    busy = false;
  };
  void more();

  return {
    records,
    status,
    prepended: signal(0),
    more: () => {
      const now = status.peek();
      if (now.kind === "page" && !now.atEnd && !now.full) void more();
    },
    stop: () => giveUp.abort(),
  };
}

async function openLanes(scope: Scope, from: string, signal: AbortSignal): Promise<Lane[]> {
  const topic = await getTopic(scope.topic, signal);
  const wanted = topic.partitions.filter((each) => scope.partition === null || each.partition === scope.partition);
  return wanted.map((partition) =>
    from === "latest"
      ? backwardLane(scope.topic, partition, topic.offset_unit)
      : forwardLane(scope.topic, partition.partition, from),
  );
}

function forwardLane(topic: string, partition: number, from: string): Lane {
  let offset = from;
  const lane: Lane = {
    waiting: [],
    done: false,
    fill: async (signal) => {
      const page = await getRecords(topic, { partition, offset, count: PAGE_LENGTH }, signal);
      lane.waiting.push(...page.records);
      lane.done = page.next_offset >= page.high_watermark || (page.records.length === 0 && String(page.next_offset) === offset);
      offset = String(page.next_offset);
    },
  };
  return lane;
}

function backwardLane(topic: string, bounds: Partition, unit: OffsetUnit): Lane {
  let end = bounds.high_watermark;
  let step = STEP_BACK[unit];
  const { partition, log_start_offset: start } = bounds;
  const lane: Lane = {
    waiting: [],
    done: end <= start,
    fill: async (signal) => {
      const from = Math.max(start, end - step);
      const found = await readRange(topic, partition, from, end, signal);
      lane.waiting.push(...found.reverse());
      // Nothing in that range means a message longer than the step.
      if (found.length === 0) step = Math.min(step * 4, STEP_BACK_MAX);
      else step = STEP_BACK[unit];
      end = from;
      lane.done = from <= start;
    },
  };
  return lane;
}

/** All records of `[from, end)`: one answer may not hold them. */
async function readRange(
  topic: string,
  partition: number,
  from: number,
  end: number,
  signal: AbortSignal,
): Promise<StreamRecord[]> {
  const records: StreamRecord[] = [];
  for (let offset = from; offset < end; ) {
    const page = await getRecords(topic, { partition, offset: String(offset), count: 1000 }, signal);
    records.push(...page.records.filter((record) => record.offset < end));
    if (page.next_offset <= offset) break;
    offset = page.next_offset;
  }
  return records;
}
