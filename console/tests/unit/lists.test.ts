import { expect, test } from "vitest";
import type { StreamRecord } from "../../src/api/types";
import { mergedRecords, type Lane } from "../../src/logic/merge";
import { sorted } from "../../src/logic/sorting";
import { prepended, TAIL_LENGTH, TailRates } from "../../src/logic/tail";
import { movedRow, visibleRows } from "../../src/logic/window";

const record = (partition: number, offset: number, timestamp_ms: number | null): StreamRecord =>
  ({ partition, offset, timestamp_ms }) as StreamRecord;

const never = new AbortController().signal;

/** A partition whose records come a page at a time. */
function lane(...pages: StreamRecord[][]): Lane {
  const it: Lane = {
    waiting: [],
    done: pages.length === 0,
    fill: async () => {
      it.waiting.push(...pages.shift()!);
      it.done = pages.length === 0;
    },
  };
  return it;
}

test("only rows in sight and a margin exist, whatever the length of the list", () => {
  expect(visibleRows(10_000, 40, 200_000, 800)).toEqual({ first: 4992, end: 5028 });
  expect(visibleRows(10_000, 40, -500, 800)).toEqual({ first: 0, end: 16 });
  expect(visibleRows(3, 40, 0, 800)).toEqual({ first: 0, end: 3 });
  expect(visibleRows(100, 40, 1_000_000, 800)).toEqual({ first: 100, end: 100 });
});

test("keys stay within the list, and enter it at its first row", () => {
  expect(movedRow("ArrowDown", -1, 5, 10)).toBe(0);
  expect(movedRow("ArrowUp", 0, 5, 10)).toBe(0);
  expect(movedRow("PageDown", 1, 5, 10)).toBe(4);
  expect(movedRow("End", 0, 5, 10)).toBe(4);
  expect(movedRow("x", 0, 5, 10)).toBeNull();
  expect(movedRow("ArrowDown", -1, 0, 10)).toBeNull();
});

test("sorting keeps the order of equal rows and leaves the list as it was", () => {
  const rows = ["bb", "a", "cc"];
  expect(sorted(rows, (row) => row.length, true)).toEqual(["bb", "cc", "a"]);
  expect(rows).toEqual(["bb", "a", "cc"]);
});

test("partitions are read in the order of time, across the ends of pages", async () => {
  const lanes = [
    lane([record(0, 0, 10), record(0, 1, 40)], [record(0, 2, 50)]),
    lane([record(1, 0, 20)], [], [record(1, 1, 30), record(1, 2, 60)]),
    lane(),
  ];
  const first = await mergedRecords(lanes, "forward", 4, never);
  const rest = await mergedRecords(lanes, "forward", 100, never);
  expect([...first, ...rest].map((each) => each.timestamp_ms)).toEqual([10, 20, 30, 40, 50, 60]);
});

test("backward the newest comes first", async () => {
  const lanes = [lane([record(0, 1, 40), record(0, 0, 10)]), lane([record(1, 0, 20)])];
  const merged = await mergedRecords(lanes, "backward", 100, never);
  expect(merged.map((each) => each.timestamp_ms)).toEqual([40, 20, 10]);
});

test.each(["forward", "backward"] as const)("partitions without times take turns, %s", async (direction) => {
  const lanes = [lane([0, 1, 2].map((at) => record(0, at, null))), lane([0, 1, 2].map((at) => record(1, at, null)))];
  const merged = await mergedRecords(lanes, direction, 4, never);
  expect(merged.map((each) => each.partition).sort()).toEqual([0, 0, 1, 1]);
});

test("a tail keeps the newest and forgets the oldest", () => {
  const kept = Array.from({ length: TAIL_LENGTH }, (_, index) => record(0, TAIL_LENGTH - index, 0));
  const after = prepended(kept, [record(0, 5001, 0), record(0, 5002, 0)]);
  expect(after.length).toBe(TAIL_LENGTH);
  expect(after.slice(0, 3).map((each) => each.offset)).toEqual([5002, 5001, TAIL_LENGTH]);
  const flood = Array.from({ length: 3 * TAIL_LENGTH }, (_, index) => record(0, index, 0));
  expect(prepended(kept, flood)[0]!.offset).toBe(3 * TAIL_LENGTH - 1);
  expect(prepended(kept, flood).length).toBe(TAIL_LENGTH);
});

test("partitions of a tail are mixed by time", () => {
  const arrived = [record(0, 1, 10), record(0, 2, 30), record(1, 1, 20), record(1, 2, 40)];
  expect(prepended([], arrived).map((each) => each.timestamp_ms)).toEqual([40, 30, 20, 10]);
});

test("what a tail leaves out counts among what there was", () => {
  const rates = new TailRates();
  for (let tenth = 0; tenth <= 50; tenth += 1) rates.add(tenth * 100, 20, 960);
  const { shown, all } = rates.at(5000);
  expect(shown).toBeCloseTo(200, -1);
  expect(all).toBeCloseTo(9800, -2);
  expect(rates.at(60_000)).toEqual({ shown: 0, all: 0 });
});
