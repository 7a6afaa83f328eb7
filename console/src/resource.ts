/** What a screen shows of the broker: asked for when it opens, again from time to time, and when the broker is back. */

import { useSignal, type ReadonlySignal } from "@preact/signals";
import { useCallback, useEffect, useRef } from "preact/hooks";
import { isAbort } from "./api/client";
import { lostSince, reconnects } from "./link";

export interface Resource<T> {
  data: ReadonlySignal<T | null>;
  error: ReadonlySignal<unknown>;
  /** Ask again now. */
  reload: () => void;
}

/**
 * The answer of `load`, kept while the next one is on its way.
 *
 * It is asked for anew when `question` changes and, with `every_ms`, so often while the page is in sight.
 */
export function useResource<T>(
  question: string,
  load: (signal: AbortSignal) => Promise<T>,
  every_ms?: number,
): Resource<T> {
  const data = useSignal<T | null>(null);
  const error = useSignal<unknown>(null);
  const latest = useRef(load);
  const underWay = useRef(new AbortController());
  latest.current = load;

  const reload = useCallback(async () => {
    underWay.current.abort();
    const { signal } = (underWay.current = new AbortController());
    try {
      const answer = await latest.current(signal);
      if (signal.aborted) return;
      data.value = answer;
      error.value = null;
    } catch (failure) {
      if (!signal.aborted && !isAbort(failure)) error.value = failure;
    }
  }, []);

  const times = reconnects.value;
  useEffect(() => {
    void reload();
    return () => underWay.current.abort();
  }, [question, times]);

  useEffect(() => {
    if (every_ms === undefined) return;
    const timer = setInterval(() => !document.hidden && lostSince.peek() === null && void reload(), every_ms);
    return () => clearInterval(timer);
  }, [every_ms]);

  return { data, error, reload };
}
