import { expect, test } from "vitest";
import { ago, bytes, compact, count, duration, latency, plural, timestamp } from "../../src/logic/format";

test("counts have thousands", () => {
  expect(count(1234567)).toBe("1,234,567");
  expect([plural(1, "topic"), plural(2000, "topic")]).toEqual(["1 topic", "2,000 topics"]);
});

test.each([
  [0, "0"],
  [0.42, "0.4"],
  [9.96, "10.0"],
  [9800, "9,800"],
  [12_345, "12.3k"],
  [999_499, "999k"],
  [999_500, "1M"],
  [1_700_000, "1.7M"],
  [2.5e9, "2.5G"],
])("compact(%d) is %s", (value, text) => {
  expect(compact(value)).toBe(text);
});

test.each([
  [0, "0 B"],
  [999, "999 B"],
  [1000, "0.98 KiB"],
  [1536, "1.5 KiB"],
  [10 * 1024 ** 3, "10 GiB"],
  [2 ** 60, "1024 PiB"],
])("bytes(%d) is %s", (value, text) => {
  expect(bytes(value)).toBe(text);
});

test.each([
  [0, "0 ms"],
  [0.000183, "183 µs"],
  [0.00124, "1.24 ms"],
  [0.25, "250 ms"],
  [2.1, "2.1 s"],
])("latency(%d) is %s", (value, text) => {
  expect(latency(value)).toBe(text);
});

test.each([
  [400, "0 s"],
  [59_600, "1 min"],
  [61_000, "1 min 1 s"],
  [93_784_000, "1 d 2 h"],
  [86_400_000, "1 d"],
])("duration(%d) is %s", (value, text) => {
  expect(duration(value)).toBe(text);
});

test("the past and the future are told apart", () => {
  expect([ago(1000, 1500), ago(0, 61_000), ago(300_000, 0)]).toEqual(["just now", "1 min ago", "in 5 min"]);
});

test("a time that no calendar has is shown as its number", () => {
  expect(timestamp(9e15)).toBe("9000000000000000");
  expect(timestamp(new Date(2026, 0, 2, 3, 4, 5, 6).getTime())).toBe("2026-01-02 03:04:05.006");
});
