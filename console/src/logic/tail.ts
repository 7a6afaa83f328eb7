/** A bounded list of the newest records of a live tail, and how many a second come and are shown. */

import type { StreamRecord } from "../api/types";

/** Records that stay on the screen; older ones fall off. */
export const TAIL_LENGTH = 2000;

/** Records a second that the broker is asked to send at most: more than anyone can read. */
export const TAIL_RATE_MAX = 200;

/** The time over which rates are taken. */
const RATE_SPAN_MS = 3000;

/** The newest first. `arrived` is in the order of arrival, which is that of time only within each partition. */
export function prepended(kept: readonly StreamRecord[], arrived: readonly StreamRecord[]): StreamRecord[] {
  const ordered = [...arrived].sort((one, other) => (one.timestamp_ms ?? 0) - (other.timestamp_ms ?? 0));
  return [...ordered.slice(-TAIL_LENGTH).reverse(), ...kept.slice(0, Math.max(0, TAIL_LENGTH - arrived.length))];
}

/** Counts per moment, kept for as long as the rate needs them. */
export class TailRates {
  #counts: { time_ms: number; shown: number; skipped: number }[] = [];
  #since_ms: number | null = null;

  /** Note what arrived at this moment. */
  add(time_ms: number, shown: number, skipped: number): void {
    this.#since_ms ??= time_ms;
    this.#counts.push({ time_ms, shown, skipped });
    this.#counts = this.#counts.filter((each) => each.time_ms > time_ms - RATE_SPAN_MS);
  }

  /** Records a second over the last seconds: those shown, and all that there were. */
  at(time_ms: number): { shown: number; all: number } {
    const recent = this.#counts.filter((each) => each.time_ms > time_ms - RATE_SPAN_MS);
    const seconds = Math.min(RATE_SPAN_MS, Math.max(1000, time_ms - (this.#since_ms ?? time_ms))) / 1000;
    const shown = recent.reduce((sum, each) => sum + each.shown, 0);
    const skipped = recent.reduce((sum, each) => sum + each.skipped, 0);
    return { shown: shown / seconds, all: (shown + skipped) / seconds };
  }
}
