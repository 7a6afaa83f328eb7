/** The last minutes of the broker's counters, and the rates that follow from their differences. */

import type { Statistics } from "../api/types";

/** Enough for five minutes at a look a second. */
export const HISTORY_LENGTH = 300;
export const HISTORY_SPAN_MS = 300_000;

/** Two looks further apart than this say nothing about what happened in between. */
const GAP_MS = 10_000;

/** The history with one more look at its end, without what is older than the charts show. */
export function extended(history: readonly Statistics[], next: Statistics): Statistics[] {
  const kept = history.filter((each) => each.time_ms > next.time_ms - HISTORY_SPAN_MS && each.time_ms < next.time_ms);
  return [...kept.slice(1 - HISTORY_LENGTH), next];
}

/** One number for each look from it and the one before; null at a gap and where the broker started anew. */
export function series(
  history: readonly Statistics[],
  value: (after: Statistics, before: Statistics, seconds: number) => number | null,
): (number | null)[] {
  return history.map((after, index) => {
    const before = history[index - 1];
    return before && follows(after, before) ? value(after, before, (after.time_ms - before.time_ms) / 1000) : null;
  });
}

/** A counter's growth a second, for each look. */
export function rates(history: readonly Statistics[], counter: (look: Statistics) => number): (number | null)[] {
  return series(history, (after, before, seconds) => (counter(after) - counter(before)) / seconds);
}

/** A counter's growth a second over the last `span_ms`; null with fewer than two looks. */
export function recentRate(
  history: readonly Statistics[],
  counter: (look: Statistics) => number,
  span_ms: number,
): number | null {
  const pair = ends(history, span_ms);
  if (!pair) return null;
  const [after, before] = pair;
  return (counter(after) - counter(before)) / ((after.time_ms - before.time_ms) / 1000);
}

/** The last look and the earliest within `span_ms` before it that it can be compared with. */
export function ends(history: readonly Statistics[], span_ms: number): [Statistics, Statistics] | null {
  const last = history.length - 1;
  const after = history[last];
  let first = last;
  for (let index = last; index > 0; index -= 1) {
    const look = history[index - 1]!;
    if (!follows(history[index]!, look) || after!.time_ms - look.time_ms > span_ms) break;
    first = index - 1;
  }
  return after && first < last ? [after, history[first]!] : null;
}

function follows(after: Statistics, before: Statistics): boolean {
  const restarted = after.appended_bytes < before.appended_bytes || after.read_bytes < before.read_bytes;
  return !restarted && after.time_ms > before.time_ms && after.time_ms - before.time_ms <= GAP_MS;
}
