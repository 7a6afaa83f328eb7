/** Partitions read side by side, in one order: by time, as far as records have one. */

import type { StreamRecord } from "../api/types";

export type Direction = "forward" | "backward";

/** One partition being read. `fill` brings its next records into `waiting`, or finds that there are none. */
export interface Lane {
  waiting: StreamRecord[];
  done: boolean;
  fill: (signal: AbortSignal) => Promise<void>;
}

/**
 * The next `count` records of all lanes together; fewer only at the end of all of them.
 *
 * Records without a time (plain topics) come from each lane in turn.
 */
export async function mergedRecords(
  lanes: readonly Lane[],
  direction: Direction,
  count: number,
  signal: AbortSignal,
): Promise<StreamRecord[]> {
  const merged: StreamRecord[] = [];
  const taken = new Map<Lane, number>();
  const sign = direction === "forward" ? 1 : -1;
  const place = (lane: Lane) => sign * (lane.waiting[0]!.timestamp_ms ?? sign * (taken.get(lane) ?? 0));
  while (merged.length < count) {
    await Promise.all(lanes.filter((lane) => lane.waiting.length === 0 && !lane.done).map((lane) => lane.fill(signal)));
    const ready = lanes.filter((lane) => lane.waiting.length > 0);
    if (ready.length === 0 && lanes.every((lane) => lane.done)) break;
    if (lanes.some((lane) => lane.waiting.length === 0 && !lane.done)) continue;
    const next = ready.reduce((first, lane) => (place(lane) < place(first) ? lane : first));
    merged.push(next.waiting.shift()!);
    taken.set(next, (taken.get(next) ?? 0) + 1);
  }
  return merged;
}
