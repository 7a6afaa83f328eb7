/** A search through a topic by the broker: matches as they are found, and how far it has come. */

import { batch, signal } from "@preact/signals";
import { isAbort, query, segment } from "../../../api/client";
import { readEvents } from "../../../api/events";
import type { SearchProgress, StreamRecord } from "../../../api/types";
import type { ServerEvent } from "../../../logic/sse";
import type { Feed, Scope, Status } from "./feed";

export const MATCHES_MAX = 1000;

export interface SearchTerms {
  text: string;
  /** Of `key`, `value` and `headers`. */
  parts: readonly string[];
  /** Where it begins. */
  from: string;
}

export function searchFeed({ topic, partition }: Scope, terms: SearchTerms): Feed {
  const records = signal<readonly StreamRecord[]>([]);
  const status = signal<Status>({ kind: "searching", progress: null });
  const giveUp = new AbortController();
  const path = `/topics/${segment(topic)}/search${query({
    query: terms.text,
    in: terms.parts.join(","),
    partition,
    offset: terms.from,
    matches_max: MATCHES_MAX,
  })}`;

  const take = (events: ServerEvent[]) =>
    batch(() => {
      const matches: StreamRecord[] = [];
      for (const event of events) {
        const data = JSON.parse(event.data);
        if (event.event === "match") matches.push(data as StreamRecord);
        if (event.event === "progress") status.value = { kind: "searching", progress: data as SearchProgress };
        if (event.event === "end") finish(data.reason === "matches_max", false, data.scanned_records);
        if (event.event === "problem") status.value = { kind: "failed", error: data.detail };
      }
      if (matches.length) records.value = [...records.value, ...matches];
    });

  const finish = (limited: boolean, cancelled: boolean, all: number) => {
    status.value = { kind: "searched", scanned: all, limited, cancelled };
  };

  const run = async () => {
    try {
      await readEvents(path, giveUp.signal, take);
      if (status.peek().kind === "searching") throw new Error("The search was cut off before its end.");
    } catch (error) {
      if (!isAbort(error)) status.value = { kind: "failed", error };
    }
  };
  void run();

  return {
    records,
    status,
    prepended: signal(0),
    cancel: () => {
      const now = status.peek();
      if (now.kind !== "searching") return;
      giveUp.abort();
      finish(false, true, now.progress?.scanned_records ?? 0);
    },
    stop: () => giveUp.abort(),
  };
}
