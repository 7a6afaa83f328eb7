import { expect, test } from "vitest";
import type { Histogram, Statistics } from "../../src/api/types";
import { ends, extended, HISTORY_SPAN_MS, rates, recentRate } from "../../src/logic/history";
import { difference, quantile } from "../../src/logic/quantiles";

function look(second: number, records: number): Statistics {
  return { time_ms: second * 1000, appended_records: records, appended_bytes: records * 100, read_bytes: 0 } as Statistics;
}

const records = (each: Statistics) => each.appended_records;

test("rates are differences over the time that passed, not over a second", () => {
  expect(rates([look(0, 0), look(1, 50), look(3, 250)], records)).toEqual([null, 50, 100]);
});

test("a restart and a pause leave a gap instead of a wrong number", () => {
  expect(rates([look(0, 500), look(1, 10), look(30, 99), look(31, 100)], records)).toEqual([null, null, null, 1]);
});

test("the recent rate looks back no further than it says, and not over a restart", () => {
  const looks = [look(0, 0), look(1, 1000), look(2, 1010), look(3, 1020)];
  expect(recentRate(looks, records, 2000)).toBe(10);
  expect(ends([look(0, 900), look(1, 5), look(2, 10)], 60_000)).toEqual([look(2, 10), look(1, 5)]);
  expect(recentRate([look(0, 0)], records, 2000)).toBeNull();
});

test("the history stays as short as its charts", () => {
  let looks: Statistics[] = [];
  for (let second = 0; second < 2000; second += 1) looks = extended(looks, look(second, second));
  expect(looks.length).toBeLessThanOrEqual(300);
  expect(looks.at(-1)!.time_ms - looks[0]!.time_ms).toBeLessThanOrEqual(HISTORY_SPAN_MS);
});

const histogram = (...buckets: [number | string, number][]): Histogram => ({ count: buckets.at(-1)![1], sum: 0, buckets });

test("quantiles lie within their bucket in proportion", () => {
  const seen = histogram([1, 50], [2, 90], [4, 100], ["+Inf", 100]);
  expect([quantile(seen, 0.5), quantile(seen, 0.7), quantile(seen, 0.99)]).toEqual([1, 1.5, 3.8]);
});

test("nothing observed has no quantile, and what is beyond all bounds is at the last one", () => {
  expect(quantile(histogram([1, 0], ["+Inf", 0]), 0.5)).toBeNull();
  expect(quantile(histogram([1, 0], [2, 1], ["+Inf", 10]), 0.99)).toBe(2);
  expect(quantile({ count: 10, sum: 0, buckets: [[1, 4], [2, 5]] }, 0.99)).toBe(2);
});

test("a difference counts what came in between, all of it after a restart", () => {
  const before = histogram([1, 5], ["+Inf", 10]);
  const after = histogram([1, 8], ["+Inf", 20]);
  expect(difference(after, before)).toEqual(histogram([1, 3], ["+Inf", 10]));
  expect(difference(before, after)).toEqual(before);
});
