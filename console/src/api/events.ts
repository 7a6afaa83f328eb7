/** Server-Sent Events by fetch: unlike EventSource it shows the broker's words when it refuses, and can be cancelled. */

import { EventParser, type ServerEvent } from "../logic/sse";
import { open, Unreachable } from "./client";

/**
 * Calls `take` with each batch of events that arrived together; returns when the broker ends the stream.
 *
 * Throws Refusal, Unreachable, or AbortError.
 */
export async function readEvents(
  path: string,
  signal: AbortSignal,
  take: (events: ServerEvent[]) => void,
  lastEventId: string | null = null,
): Promise<void> {
  const headers: Record<string, string> = { Accept: "text/event-stream" };
  if (lastEventId !== null) headers["Last-Event-ID"] = lastEventId;
  const response = await open(path, { signal, headers });
  const parser = new EventParser();
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      const events = parser.feed(piece.value);
      if (events.length) take(events);
    }
  } catch (error) {
    if (signal.aborted) throw new DOMException("given up", "AbortError");
    throw error instanceof TypeError ? new Unreachable() : error;
  }
}
