/** The points in time that a person may type: `10m ago`, `14:30`, `2026-11-24 14:30`, an ISO time, milliseconds. */

const UNITS: Record<string, number> = {
  ms: 1,
  s: 1000,
  sec: 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  hour: 3_600_000,
  d: 86_400_000,
  day: 86_400_000,
};
const AGO = /^-?\s*(\d+(?:\.\d+)?)\s*(ms|s|sec|m|min|h|hour|d|day)s?(?:\s+ago)?$/i;
const CLOCK = /^(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,3}))?)?$/;
const DATE = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?)?$/;

/** Milliseconds since 1970, or null where the text is no time. A time without a zone is local. */
export function parseTime(text: string, now_ms: number): number | null {
  const trimmed = text.trim();
  if (/^now$/i.test(trimmed)) return now_ms;
  if (/^\d{10}$/.test(trimmed)) return Number(trimmed) * 1000;
  if (/^\d{11,15}$/.test(trimmed)) return Number(trimmed);
  return parseAgo(trimmed, now_ms) ?? parseClock(trimmed, now_ms) ?? parseDate(trimmed);
}

function parseAgo(text: string, now_ms: number): number | null {
  const match = AGO.exec(text);
  const unit = match && UNITS[match[2]!.toLowerCase()];
  return unit ? Math.round(now_ms - Number(match[1]) * unit) : null;
}

/** A time of day is the last one that was: at 10:00 `14:30` means yesterday's. */
function parseClock(text: string, now_ms: number): number | null {
  const match = CLOCK.exec(text);
  if (!match) return null;
  const [hours, minutes, seconds] = [match[1], match[2], match[3] ?? "0"].map(Number) as [number, number, number];
  if (hours > 23 || minutes > 59 || seconds > 59) return null;
  const date = new Date(now_ms);
  date.setHours(hours, minutes, seconds, Number((match[4] ?? "0").padEnd(3, "0")));
  if (date.getTime() > now_ms) date.setDate(date.getDate() - 1);
  return date.getTime();
}

function parseDate(text: string): number | null {
  if (!DATE.test(text)) return null;
  const local = text.length === 10 ? `${text}T00:00` : text.replace(" ", "T"); // a bare date would be taken as UTC
  const time = Date.parse(local);
  return Number.isNaN(time) ? null : time;
}
