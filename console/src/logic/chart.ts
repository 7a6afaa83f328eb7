/** The geometry of a line chart: ticks, paths and the point under the pointer. */

export type Point = number | null;

/** Zero and up to three round steps above it; the last one is at or above `maximum`. Sizes in bytes step by powers of 2. */
export function ticks(maximum: number, unit: "decimal" | "binary" = "decimal"): number[] {
  if (!(maximum > 0)) return [0, 1];
  const rough = maximum / 3;
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  const step =
    unit === "binary"
      ? 2 ** Math.ceil(Math.log2(rough))
      : [1, 2, 2.5, 5, 10].map((factor) => factor * magnitude).find((each) => each >= rough - 1e-12)!;
  const steps = Math.ceil(maximum / step - 1e-9);
  return Array.from({ length: steps + 1 }, (_, index) => index * step);
}

/** Powers of ten around what there is: from the one at or below the least value to the one at or above the largest. */
export function decades(minimum: number, maximum: number): number[] {
  const first = Math.floor(Math.log10(minimum) + 1e-9);
  const last = Math.max(first + 1, Math.ceil(Math.log10(maximum) - 1e-9));
  return Array.from({ length: last - first + 1 }, (_, index) => Number(`1e${first + index}`));
}

/** A time span for the axis, and the distance of its labels. */
export interface Span {
  span_ms: number;
  label_ms: number;
}

const SPANS: Span[] = [
  { span_ms: 60_000, label_ms: 15_000 },
  { span_ms: 120_000, label_ms: 30_000 },
  { span_ms: 300_000, label_ms: 60_000 },
];

/** The shortest span that shows all of `known_ms`: a young chart is not squeezed into a corner. */
export function spanOf(known_ms: number): Span {
  return SPANS.find((each) => each.span_ms >= known_ms) ?? SPANS.at(-1)!;
}

/** An SVG path through the points that are there: it is lifted over gaps. */
export function linePath(points: readonly Point[], x: (index: number) => number, y: (value: number) => number): string {
  let path = "";
  let drawing = false;
  points.forEach((point, index) => {
    if (point !== null) path += `${drawing ? "L" : "M"}${round(x(index))} ${round(y(point))}`;
    drawing = point !== null;
  });
  return path;
}

/** The areas between the line and its foot, one for each unbroken run. */
export function areaPath(points: readonly Point[], x: (index: number) => number, y: (value: number) => number): string {
  let path = "";
  for (let start = 0; start < points.length; start += 1) {
    let end = start;
    while (end < points.length && points[end] !== null) end += 1;
    if (end === start) continue;
    const run = points.slice(start, end);
    path += `${linePath(run, (index) => x(start + index), y)}L${round(x(end - 1))} ${round(y(0))}L${round(x(start))} ${round(y(0))}Z`;
    start = end;
  }
  return path;
}

/** The index of the time that is nearest to `time`; times ascend. */
export function nearest(times: readonly number[], time: number): number {
  let low = 0;
  let high = times.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (times[middle]! <= time) low = middle;
    else high = middle;
  }
  return Math.abs(times[low]! - time) <= Math.abs((times[high] ?? Infinity) - time) ? low : high;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
