/** The live tail: the newest first, no more a second than can be read, and it comes back by itself. */

import { batch, signal } from "@preact/signals";
import { isAbort, query, Refusal, segment } from "../../../api/client";
import { readEvents } from "../../../api/events";
import type { StreamRecord } from "../../../api/types";
import type { ServerEvent } from "../../../logic/sse";
import { prepended as withPrepended, TAIL_RATE_MAX, TailRates } from "../../../logic/tail";
import type { Feed, Scope, Status } from "./feed";

/** The screen changes so often at most, however fast messages come. */
const DRAW_MS = 150;
const RETRY_MS = 1000;

export function tailFeed({ topic, partition }: Scope): Feed {
  const records = signal<readonly StreamRecord[]>([]);
  const prepended = signal(0);
  const status = signal<Status>({ kind: "live", state: "waiting", shown: 0, all: 0 });
  const path = `/topics/${segment(topic)}/stream${query({ offset: "latest", partition, rate_max: TAIL_RATE_MAX })}`;
  const rates = new TailRates();
  let connection = new AbortController();
  let position: string | null = null;
  let arrived: StreamRecord[] = [];
  let state: "on" | "paused" | "waiting" = "waiting";

  const take = (events: ServerEvent[]) => {
    let skipped = 0;
    const before = arrived.length;
    for (const event of events) {
      if (event.event === "skipped") skipped += (JSON.parse(event.data) as { count: number }).count;
      else if (event.event === "message") arrived.push(JSON.parse(event.data) as StreamRecord);
      else if (event.event === "problem") throw problem(event.data);
      position = event.id ?? position;
    }
    rates.add(Date.now(), arrived.length - before, skipped);
  };

  const connect = async () => {
    const { signal: gone } = (connection = new AbortController());
    while (!gone.aborted) {
      try {
        state = "on";
        await readEvents(path, gone, take, position);
      } catch (error) {
        if (error instanceof Refusal) return fail(error);
        if (isAbort(error)) return;
      }
      if (gone.aborted) return;
      state = "waiting";
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  };

  const draw = () => {
    if (status.peek().kind === "failed") return;
    const fresh = arrived;
    arrived = [];
    batch(() => {
      if (fresh.length) {
        prepended.value = fresh.length;
        records.value = withPrepended(records.peek(), fresh);
      }
      const { shown, all } = rates.at(Date.now());
      status.value = { kind: "live", state, shown, all };
    });
  };

  const timer = setInterval(draw, DRAW_MS);
  const stop = () => {
    connection.abort();
    clearInterval(timer);
  };
  const fail = (error: unknown) => {
    stop();
    status.value = { kind: "failed", error };
  };
  void connect();

  const pause = () => {
    if (state === "paused") {
      void connect();
    } else {
      connection.abort();
      state = "paused";
    }
    draw();
  };
  return { records, status, prepended, pause, stop };
}

function problem(data: string): Refusal {
  const { status, code, detail } = JSON.parse(data) as { status: number; code: string; detail: string };
  return new Refusal(status, code, detail, null);
}
