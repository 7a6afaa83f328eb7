import { expect, test } from "vitest";
import { parseTime } from "../../src/logic/time";

const NOW = new Date(2026, 10, 24, 10, 0, 0).getTime();
const MINUTE = 60_000;

test.each([
  ["now", NOW],
  ["10m ago", NOW - 10 * MINUTE],
  ["10 min", NOW - 10 * MINUTE],
  ["-1.5h", NOW - 90 * MINUTE],
  ["2 days ago", NOW - 2880 * MINUTE],
  ["250ms ago", NOW - 250],
  ["09:30", new Date(2026, 10, 24, 9, 30).getTime()],
  ["14:30", new Date(2026, 10, 23, 14, 30).getTime()],
  ["9:30:15.5", new Date(2026, 10, 24, 9, 30, 15, 500).getTime()],
  ["2026-01-31", new Date(2026, 0, 31).getTime()],
  ["2026-01-31 14:30", new Date(2026, 0, 31, 14, 30).getTime()],
  ["2026-01-31T14:30:00Z", Date.UTC(2026, 0, 31, 14, 30)],
  ["2026-01-31T14:30:00+02:00", Date.UTC(2026, 0, 31, 12, 30)],
  ["1795517635", 1_795_517_635_000],
  ["1795517635810", 1_795_517_635_810],
])("%s is a time", (text, time) => {
  expect(parseTime(text, NOW)).toBe(time);
});

test.each(["", "soon", "25:00", "12:60", "2026-13-01", "10 parsecs ago", "12", "2026-01-31; drop"])("%s is none", (text) => {
  expect(parseTime(text, NOW)).toBeNull();
});
