/** Which screen the part of the address behind `#` names: `#/topics/orders/partitions?partition=2`. */

import { signal } from "@preact/signals";

export interface Route {
  /** The decoded parts of the path: `["topics", "orders"]`. */
  path: string[];
  query: URLSearchParams;
}

export function parseRoute(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#?\/?/, "").split("?", 2);
  return { path: path.split("/").filter(Boolean).map(decoded), query: new URLSearchParams(query) };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // a stray percent sign, typed by hand
  }
}

/** `link("topics", "a b")` -> `#/topics/a%20b`. */
export function link(...path: string[]): string {
  return `#/${path.map(encodeURIComponent).join("/")}`;
}

export const route = signal<Route>(parseRoute(location.hash));

addEventListener("hashchange", () => {
  route.value = parseRoute(location.hash);
});

export function go(hash: string): void {
  location.hash = hash;
}

/** Put what the screen shows into the address without a step in the browser's history. */
export function remember(parameters: Record<string, string>): void {
  const given = Object.entries(parameters).filter(([, value]) => value !== "");
  const query = given.length ? `?${new URLSearchParams(given)}` : "";
  history.replaceState(history.state, "", `#/${route.peek().path.map(encodeURIComponent).join("/")}${query}`);
}
