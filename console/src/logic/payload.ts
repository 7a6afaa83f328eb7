/** Keys, values and header values: text where the bytes are UTF-8, else base64, or nothing at all. */

import type { Payload } from "../api/types";

/** The bytes themselves. */
export function payloadBytes(payload: Payload): Uint8Array {
  if (payload === null) return new Uint8Array();
  if (typeof payload === "string") return new TextEncoder().encode(payload);
  return Uint8Array.from(atob(payload.base64), (character) => character.charCodeAt(0));
}

/** Text for a line of a list: bytes that are no UTF-8 as hex. */
export function payloadPreview(payload: Payload, length: number): string {
  if (payload === null) return "";
  if (typeof payload === "string") return payload.slice(0, length);
  const start = payloadBytes({ base64: payload.base64.slice(0, Math.ceil(length / 8) * 4) });
  return Array.from(start, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

/** Whether this is base64 that the broker takes: the usual alphabet, padded. */
export function isBase64(text: string): boolean {
  return /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text.trim());
}

export interface Segment {
  text: string;
  found: boolean;
}

/** The text cut where `query` occurs in it, letter case aside. */
export function segments(text: string, query: string): Segment[] {
  const wanted = query.toLowerCase();
  const folded = text.toLowerCase();
  // Folding that changes the length ("İ") would shift every cut behind it: then nothing is marked.
  if (wanted === "" || folded.length !== text.length) return [{ text, found: false }];
  const cut: Segment[] = [];
  let from = 0;
  for (let at = folded.indexOf(wanted); at >= 0; at = folded.indexOf(wanted, from)) {
    if (at > from) cut.push({ text: text.slice(from, at), found: false });
    cut.push({ text: text.slice(at, at + wanted.length), found: true });
    from = at + wanted.length;
  }
  if (from < text.length || cut.length === 0) cut.push({ text: text.slice(from), found: false });
  return cut;
}

/** Characters that surely have room in a line, and how many of them stand before what was found. */
const SIGHT = 40;
const BEFORE = 16;

/** Up to `length` characters of a text, from a little before the place where `query` occurs, so that a line shows it. */
export function excerpt(text: string, query: string, length: number): string {
  const at = query === "" ? -1 : text.toLowerCase().indexOf(query.toLowerCase());
  if (at + query.length <= SIGHT) return text.slice(0, length);
  return `… ${text.slice(at - BEFORE, at - BEFORE + length)}`;
}
