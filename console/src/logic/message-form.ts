/** A message as a form holds it, and as the broker takes it. */

import type { Header, NewRecord, StreamRecord } from "../api/types";
import { isJson } from "./json";
import { isBase64 } from "./payload";

export type Encoding = "text" | "json" | "base64";

export interface MessageForm {
  key: string;
  encoding: Encoding;
  value: string;
  headers: { name: string; value: string }[];
  /** Empty: the broker chooses. */
  partition: string;
  repeat: number;
}

export interface FormProblem {
  field: "key" | "value" | "headers" | "repeat";
  reason: string;
}

const REPEAT_MAX = 100_000;
/** Messages, and characters of all of them, that one request carries. */
const BATCH_LENGTH = 1000;
const BATCH_SIZE = 512 * 1024;

/** An empty form, or one that holds what a record holds. */
export function formOf(record: StreamRecord | null): MessageForm {
  if (!record) return { key: "", encoding: "text", value: "", headers: [], partition: "", repeat: 1 };
  const { value } = record;
  return {
    key: typeof record.key === "string" ? record.key : "",
    encoding: typeof value === "string" || value === null ? "text" : "base64",
    value: typeof value === "string" ? value : (value?.base64 ?? ""),
    headers: record.headers.flatMap(({ name, value: text }) => (typeof text === "string" ? [{ name, value: text }] : [])),
    partition: "",
    repeat: 1,
  };
}

/** What keeps the form from being sent; null if nothing does. */
export function problemOf(form: MessageForm): FormProblem | null {
  if (form.encoding === "json" && !isJson(form.value)) return { field: "value", reason: jsonProblem(form.value) };
  if (form.encoding === "base64" && !isBase64(form.value)) {
    return { field: "value", reason: "This is no base64: groups of four of A-Z, a-z, 0-9, + and /, padded with =." };
  }
  if (form.headers.some((header) => header.name === "")) return { field: "headers", reason: "Each header has a name." };
  if (!(Number.isInteger(form.repeat) && form.repeat >= 1 && form.repeat <= REPEAT_MAX)) {
    return { field: "repeat", reason: "From 1 to 100,000." };
  }
  return null;
}

/** The browser's own words say where the mistake is. */
function jsonProblem(text: string): string {
  if (text.trim() === "") return "Write some JSON, such as {\"id\": 1}.";
  try {
    JSON.parse(text);
    return "";
  } catch (error) {
    return `This is no JSON: ${(error as Error).message}.`;
  }
}

/** The record for the broker. JSON goes as its text: the broker keeps it byte for byte. */
export function recordOf(form: MessageForm, plain: boolean): NewRecord {
  const record: NewRecord = { value: form.encoding === "base64" ? { base64: form.value.trim() } : form.value };
  if (form.partition !== "") record.partition = Number(form.partition);
  if (plain) return record;
  if (form.key !== "") record.key = form.key;
  if (form.headers.length) record.headers = form.headers as Header[];
  return record;
}

/** The record again and again, in requests of a sensible size. */
export function* batches(record: NewRecord, repeat: number): Generator<NewRecord[]> {
  const size = JSON.stringify(record).length;
  const length = Math.max(1, Math.min(BATCH_LENGTH, Math.floor(BATCH_SIZE / size)));
  for (let left = repeat; left > 0; left -= length) yield Array<NewRecord>(Math.min(left, length)).fill(record);
}
