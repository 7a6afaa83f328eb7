/** Quantiles of what a cumulative histogram counted between two looks at it. */

import type { Histogram } from "../api/types";

/** Counts since `before`, by upper bound; all of them where the counters began anew in between. */
export function difference(after: Histogram, before: Histogram | null): Histogram {
  if (!before || before.count > after.count) return after;
  const earlier = new Map(before.buckets.map(([bound, seen]) => [bound, seen]));
  return {
    count: after.count - before.count,
    sum: after.sum - before.sum,
    buckets: after.buckets.map(([bound, seen]) => [bound, seen - (earlier.get(bound) ?? 0)]),
  };
}

/**
 * The value that a share `q` of the observations does not exceed; null where nothing was observed.
 *
 * Within a bucket the observations are taken to be spread evenly, as Prometheus does. What lies above the last
 * finite bound is answered with that bound.
 */
export function quantile(histogram: Histogram, q: number): number | null {
  if (histogram.count <= 0) return null;
  const rank = q * histogram.count;
  let lower = 0;
  let below = 0;
  for (const [bound, seen] of histogram.buckets) {
    const upper = typeof bound === "number" ? bound : Infinity;
    if (seen >= rank) {
      if (upper === Infinity) return lower;
      const share = seen === below ? 1 : (rank - below) / (seen - below);
      return lower + (upper - lower) * share;
    }
    if (upper === Infinity) break;
    lower = upper;
    below = seen;
  }
  return lower;
}
