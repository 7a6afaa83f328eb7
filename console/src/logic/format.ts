/** Numbers, sizes, times and durations as people read them; one form for each over the whole console. */

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const KIB = 1024;
const SIZE_UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** `1234567` -> `1,234,567`. */
export function count(value: number): string {
  return whole.format(value);
}

/** `1, "topic"` -> `1 topic`; `2, "topic"` -> `2 topics`. */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** Three digits that count: `9800` -> `9,800`, `12345` -> `12.3k`, `0.42` -> `0.4`. */
export function compact(value: number): string {
  const size = Math.abs(value);
  if (size >= 999_500_000) return `${digits(value / 1e9)}G`;
  if (size >= 999_500) return `${digits(value / 1e6)}M`;
  if (size >= 10_000) return `${digits(value / 1e3)}k`;
  if (size >= 10 || Number.isInteger(value)) return whole.format(value);
  return value.toFixed(1);
}

/** Bytes: `1536` -> `1.5 KiB`. */
export function bytes(value: number): string {
  let size = value;
  let unit = 0;
  while (Math.abs(size) >= 1000 && unit < SIZE_UNITS.length - 1) {
    size /= KIB;
    unit += 1;
  }
  return `${unit === 0 ? whole.format(size) : digits(size)} ${SIZE_UNITS[unit]}`;
}

/** Seconds that something took: `0.000183` -> `183 µs`. */
export function latency(seconds: number): string {
  if (seconds === 0) return "0 ms";
  if (seconds < 0.001) return `${digits(seconds * 1e6)} µs`;
  if (seconds < 1) return `${digits(seconds * 1e3)} ms`;
  return `${digits(seconds)} s`;
}

/** The two largest units of a time span in milliseconds: `93784000` -> `1 d 2 h`. */
export function duration(span_ms: number): string {
  const seconds = Math.max(0, Math.round(span_ms / 1000));
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"],
  ];
  const first = parts.findIndex(([value]) => value > 0);
  if (first < 0) return "0 s";
  const shown = parts.slice(first, first + 2).filter(([value]) => value > 0);
  return shown.map(([value, unit]) => `${value} ${unit}`).join(" ");
}

/** How long before `now_ms`: `just now`, `12 s ago`, `in 5 min`. */
export function ago(time_ms: number, now_ms: number): string {
  const span = now_ms - time_ms;
  if (Math.abs(span) < 1000) return "just now";
  return span > 0 ? `${largest(span)} ago` : `in ${largest(-span)}`;
}

function largest(span_ms: number): string {
  const [value, unit] = duration(span_ms).split(" ");
  return `${value} ${unit}`;
}

/** Local date and time to the millisecond: `2026-11-24 10:31:05.123`. */
export function timestamp(time_ms: number): string {
  const date = new Date(time_ms);
  if (Number.isNaN(date.getTime())) return String(time_ms);
  const two = (value: number) => String(value).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${clock(time_ms)}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

/** Local time of day: `10:31:05`. */
export function clock(time_ms: number): string {
  const date = new Date(time_ms);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, "0")).join(":");
}

function digits(value: number): string {
  const size = Math.abs(value);
  return value.toFixed(size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
}
