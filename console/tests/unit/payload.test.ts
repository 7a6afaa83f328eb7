import { expect, test } from "vitest";
import { areaPath, decades, linePath, nearest, spanOf, ticks } from "../../src/logic/chart";
import { hexLines } from "../../src/logic/hex";
import { isStructure, prettyJson } from "../../src/logic/json";
import { batches, formOf, problemOf, recordOf } from "../../src/logic/message-form";
import { excerpt, isBase64, payloadBytes, payloadPreview, segments } from "../../src/logic/payload";
import { EventParser } from "../../src/logic/sse";
import type { StreamRecord } from "../../src/api/types";

const laidOut = (text: string) => prettyJson(text)?.map((token) => token.text).join("");

test("JSON is laid out as JSON.stringify would", () => {
  const value = { a: [1, { b: "x, {y}: \"z\"" }, []], c: {}, d: [true, null, -1.5e3] };
  expect(laidOut(JSON.stringify(value))).toBe(JSON.stringify(value, null, 2));
});

test("numbers that JavaScript cannot hold stay as they were written", () => {
  expect(laidOut('{"id":12345678901234567890,"price":1.0}')).toBe('{\n  "id": 12345678901234567890,\n  "price": 1.0\n}');
});

test("keys and strings are told apart, and escaped quotes end nothing", () => {
  const kinds = prettyJson('{"k\\"": "v\\\\"}')!.filter((token) => token.kind !== "space" && token.kind !== "punctuation");
  expect(kinds).toEqual([
    { kind: "key", text: '"k\\""' },
    { kind: "string", text: '"v\\\\"' },
  ]);
});

test("what is no JSON is not laid out, and only objects and lists are worth it", () => {
  expect(prettyJson("{oops}")).toBeNull();
  expect([isStructure("[1]"), isStructure("12"), isStructure('"a"'), isStructure(" {}")]).toEqual([true, false, false, true]);
});

test("a hex dump has positions, bytes and printable characters", () => {
  const [first, second] = hexLines(new TextEncoder().encode("0123456789abcdef\n!"));
  expect(first).toEqual({
    position: "00000000",
    hex: "30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66",
    text: "0123456789abcdef",
  });
  expect(second!.text).toBe(".!");
  expect(second!.hex.length).toBe(first!.hex.length);
});

test("payloads are bytes again, and previews stay short", () => {
  expect([...payloadBytes({ base64: "AP8=" })]).toEqual([0, 255]);
  expect([...payloadBytes("é")]).toEqual([0xc3, 0xa9]);
  expect(payloadPreview({ base64: "AP+A" }, 100)).toBe("00 ff 80");
  expect(payloadPreview({ base64: btoa("x".repeat(9000)) }, 80).length).toBeLessThan(200);
});

test("base64 is what the broker takes", () => {
  expect(["", "AP8=", "AAAA"].every(isBase64)).toBe(true);
  expect(["A", "AP8", "AP-_", "AP8=AA=="].some(isBase64)).toBe(false);
});

test("what was searched for is marked wherever it is, letter case aside", () => {
  expect(segments("Order ORDER x", "order").filter((part) => part.found).map((part) => part.text)).toEqual(["Order", "ORDER"]);
  expect(segments("İstanbul", "stan")).toEqual([{ text: "İstanbul", found: false }]);
  expect(segments("abc", "").length).toBe(1);
});

test("an excerpt shows the place where the text was found", () => {
  const long = `${"x".repeat(5000)}needle${"y".repeat(5000)}`;
  expect(excerpt(long, "NEEDLE", 120).indexOf("needle")).toBeLessThan(40);
  expect(excerpt("short needle", "needle", 120)).toBe("short needle");
  expect(excerpt(long, "", 120)).toBe("x".repeat(120));
});

test("a stream of events may be cut anywhere", () => {
  const stream = ': hello\nid: 0=1,1=2\ndata: {"a":\ndata: 1}\n\r\nevent: skipped\r\ndata: {"count": 9600}\r\n\r\nevent: none\n\n';
  const whole = new EventParser().feed(stream);
  expect(whole).toEqual([
    { event: "message", id: "0=1,1=2", data: '{"a":\n1}' },
    { event: "skipped", id: "0=1,1=2", data: '{"count": 9600}' },
  ]);
  for (let cut = 1; cut < stream.length; cut += 1) {
    const parser = new EventParser();
    expect([...parser.feed(stream.slice(0, cut)), ...parser.feed(stream.slice(cut))], `cut at ${cut}`).toEqual(whole);
  }
});

test("a form says what is wrong with it before it is sent", () => {
  const form = { ...formOf(null), encoding: "json" as const };
  expect(problemOf({ ...form, value: '{"a": 1,}' })?.reason).toMatch(/^This is no JSON: /);
  expect(problemOf({ ...form, value: '{"a": 1}' })).toBeNull();
  expect(problemOf({ ...form, encoding: "base64", value: "?" })?.field).toBe("value");
  expect(problemOf({ ...form, value: "1", headers: [{ name: "", value: "x" }] })?.field).toBe("headers");
  expect(problemOf({ ...form, value: "1", repeat: 0 })?.field).toBe("repeat");
});

test("JSON is sent as the text that was written", () => {
  const form = { ...formOf(null), encoding: "json" as const, value: '{ "id": 12345678901234567890 }', key: "k", partition: "2" };
  expect(recordOf(form, false)).toEqual({ value: form.value, key: "k", partition: 2 });
  expect(recordOf(form, true)).toEqual({ value: form.value, partition: 2 });
});

test("a record fills the form that sends it again", () => {
  const record = { key: "k", value: { base64: "AP8=" }, headers: [{ name: "h", value: "v" }] } as StreamRecord;
  expect(recordOf(formOf(record), false)).toEqual({ key: "k", value: { base64: "AP8=" }, headers: [{ name: "h", value: "v" }] });
});

test("repeating goes in requests of a bounded size", () => {
  const lengths = (value: string, repeat: number) => [...batches({ value }, repeat)].map((batch) => batch.length);
  expect(lengths("x", 2500)).toEqual([1000, 1000, 500]);
  expect(lengths("x".repeat(300_000), 3)).toEqual([1, 1, 1]);
});

test("the axis has round steps up to the maximum", () => {
  expect(ticks(0)).toEqual([0, 1]);
  expect(ticks(9)).toEqual([0, 5, 10]);
  expect(ticks(29_000)).toEqual([0, 10_000, 20_000, 30_000]);
  expect(ticks(14_000_000, "binary")).toEqual([0, 8 * 1024 ** 2, 16 * 1024 ** 2]);
  for (const maximum of [1e-5, 0.3, 7, 1234, 5e9]) expect(ticks(maximum).at(-1)! / maximum).toBeGreaterThan(1 - 1e-9);
});

test("a logarithmic axis reaches around all values by powers of ten", () => {
  expect(decades(0.00012, 0.45)).toEqual([0.0001, 0.001, 0.01, 0.1, 1]);
  expect(decades(0.001, 0.001)).toEqual([0.001, 0.01]);
  expect(decades(0.0001, 0.001)).toEqual([0.0001, 0.001]);
});

test("lines are lifted over gaps, and areas closed at them", () => {
  const points = [1, 2, null, 3];
  const same = (value: number) => value;
  expect(linePath(points, same, same)).toBe("M0 1L1 2M3 3");
  expect(areaPath(points, same, same)).toBe("M0 1L1 2L1 0L0 0ZM3 3L3 0L3 0Z");
});

test("the nearest moment is found, and the span grows with what is known", () => {
  expect([nearest([0, 10, 20], 14), nearest([0, 10, 20], 16), nearest([0, 10, 20], 99), nearest([5], 1)]).toEqual([1, 2, 2, 0]);
  expect([spanOf(0).span_ms, spanOf(61_000).span_ms, spanOf(1e9).span_ms]).toEqual([60_000, 120_000, 300_000]);
});
