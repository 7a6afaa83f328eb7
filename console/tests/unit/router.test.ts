import { expect, test, vi } from "vitest";

vi.stubGlobal("location", { hash: "" });
vi.stubGlobal("addEventListener", () => {});
const { link, parseRoute } = await import("../../src/router");

test("an address names a screen, whatever is in the names", () => {
  const route = parseRoute("#/topics/a%2Fb/partitions?partition=2");
  expect(route.path).toEqual(["topics", "a/b", "partitions"]);
  expect(route.query.get("partition")).toBe("2");
  expect(parseRoute(link("groups", "<img> 100% ?&#")).path).toEqual(["groups", "<img> 100% ?&#"]);
});

test("an address typed by hand never throws", () => {
  expect(parseRoute("#/groups/100%").path).toEqual(["groups", "100%"]);
  expect(parseRoute("").path).toEqual([]);
});
