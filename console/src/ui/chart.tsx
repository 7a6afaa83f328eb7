/** Lines over the last minutes. The pointer, or the arrow keys, ask what the values were at a moment. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { areaPath, decades, linePath, nearest, spanOf, ticks, type Point } from "../logic/chart";
import { clock, duration } from "../logic/format";

export interface Line {
  name: string;
  tone: "one" | "two" | "three";
  points: readonly Point[];
}

interface ChartProps {
  title: string;
  lines: Line[];
  times: readonly number[];
  /** How a value is written, also at the axis. */
  format: (value: number) => string;
  /** The axis reaches at least to here: noise of an idle broker must not look like load. */
  least: number;
  unit?: "decimal" | "binary";
  /** Logarithmic where values lie far apart and each of them counts: an outlier does not flatten the rest. */
  scale?: "linear" | "logarithmic";
}

const HEIGHT = 148;
const TOP = 8;
const BOTTOM = 22;
const LEFT = 56;

export function Chart({ title, lines, times, format, least, unit, scale }: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const width = useWidth(box);
  const cursor = useSignal<number | null>(null);
  const now = times.at(-1) ?? 0;
  const { span_ms, label_ms } = spanOf(now - (times[0] ?? now));
  const values = lines.flatMap((line) => line.points.filter((point) => point !== null && point > 0)) as number[];
  const most = Math.max(least, ...values);
  const steps = scale === "logarithmic" ? decades(Math.min(least / 10, ...values), most) : ticks(most, unit);
  const x = (time: number) => LEFT + ((time - (now - span_ms)) / span_ms) * (width.value - LEFT - 1);
  const y = (value: number) => TOP + (1 - height(value, steps, scale)) * (HEIGHT - TOP - BOTTOM);
  const at = (index: number) => x(times[index]!);
  const shown = cursor.value === null ? null : nearest(times, cursor.value);

  const point = (event: PointerEvent) => {
    const left = event.clientX - box.current!.getBoundingClientRect().left;
    cursor.value = now - span_ms + ((left - LEFT) / (width.value - LEFT)) * span_ms;
  };
  const step = (event: KeyboardEvent) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    cursor.value = times[Math.min(times.length - 1, Math.max(0, (shown ?? times.length - 1) + by))] ?? null;
  };

  return (
    <figure class="chart" aria-label={title}>
      <figcaption class={`legend${lines.length === 1 ? " legend-over" : ""}`} hidden={lines.length === 1 && shown === null}>
        {lines.map((line) => (
          <span key={line.name} class={`legend-item tone-${line.tone}`}>
            <i aria-hidden="true" />
            {line.name}
            {shown !== null && <b>{valueText(line.points[shown], format)}</b>}
          </span>
        ))}
        {shown !== null && <span class="legend-time">{clock(times[shown]!)}</span>}
      </figcaption>
      <div
        ref={box}
        class="chart-box"
        role="img"
        tabIndex={0}
        aria-label={summary(lines, format)}
        onPointerMove={point}
        onPointerLeave={() => (cursor.value = null)}
        onKeyDown={step}
        onBlur={() => (cursor.value = null)}
      >
        <svg width={width} height={HEIGHT}>
          {steps.map((value) => (
            <g key={value} class="chart-tick">
              <line x1={LEFT} x2={width} y1={y(value)} y2={y(value)} />
              <text x={LEFT - 8} y={y(value) + 4} text-anchor="end">
                {format(value)}
              </text>
            </g>
          ))}
          {labels(span_ms, label_ms).map((ago) => (
            <text key={ago} class="chart-time" x={x(now - ago)} y={HEIGHT - 4} text-anchor={ago === 0 ? "end" : "middle"}>
              {ago === 0 ? "now" : `−${ago < 120_000 ? `${ago / 1000} s` : duration(ago)}`}
            </text>
          ))}
          {lines.map((line) => (
            <g key={line.name} class={`tone-${line.tone}`}>
              {lines.length === 1 && <path class="chart-area" d={areaPath(line.points, at, y)} />}
              <path class="chart-line" d={linePath(line.points, at, y)} />
            </g>
          ))}
          {shown !== null && <line class="chart-cursor" x1={at(shown)} x2={at(shown)} y1={TOP} y2={HEIGHT - BOTTOM} />}
          {shown !== null &&
            lines.map((line) => {
              const value = line.points[shown];
              return typeof value === "number" ? (
                <circle key={line.name} class={`chart-dot tone-${line.tone}`} cx={at(shown)} cy={y(value)} r="3.5" />
              ) : null;
            })}
        </svg>
      </div>
    </figure>
  );
}

/** How far up the axis a value lies, from 0 to 1. */
function height(value: number, steps: number[], scale: ChartProps["scale"]): number {
  const [low, high] = [steps[0]!, steps.at(-1)!];
  if (scale !== "logarithmic") return value / high;
  return value <= low ? 0 : Math.log(value / low) / Math.log(high / low);
}

/** How long before now the labels are: not the first, which would hang over the axis. */
function labels(span_ms: number, label_ms: number): number[] {
  return Array.from({ length: Math.ceil(span_ms / label_ms) }, (_, index) => index * label_ms);
}

function summary(lines: Line[], format: (value: number) => string): string {
  return lines.map((line) => `${line.name}: ${valueText(line.points.at(-1), format)} now`).join(", ");
}

function valueText(point: Point | undefined, format: (value: number) => string): string {
  return typeof point === "number" ? format(point) : "none";
}

function useWidth(box: { current: HTMLDivElement | null }) {
  const width = useSignal(480);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => (width.value = Math.max(200, Math.floor(entry!.contentRect.width))));
    observer.observe(box.current!);
    return () => observer.disconnect();
  }, []);
  return width;
}
