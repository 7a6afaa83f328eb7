/** The console's pulse: looks at the broker each second, keeps the last minutes, and knows whether it is there. */

import { batch, signal } from "@preact/signals";
import { getBroker, getStatistics } from "./api/broker";
import type { Broker, Statistics } from "./api/types";
import { extended } from "./logic/history";

const INTERVAL_MS = 1000;
const TIMEOUT_MS = 4000;
/** The broker's own facts change rarely: they are asked for at every such look. */
const BROKER_EVERY = 5;

export const broker = signal<Broker | null>(null);
export const history = signal<readonly Statistics[]>([]);

/** Since when the broker does not answer; null while it does. */
export const lostSince = signal<number | null>(null);

/** Grows each time the broker is there again, so that screens ask anew. */
export const reconnects = signal(0);

/** Begin; it goes on for as long as the page is open. */
export async function watchBroker(): Promise<never> {
  for (let look = 0; ; look += 1) {
    const again = await lookAt(look % BROKER_EVERY === 0 || lostSince.peek() !== null);
    if (!again) look = -1;
    await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS));
  }
}

async function lookAt(withBroker: boolean): Promise<boolean> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  try {
    const [statistics, facts] = await Promise.all([getStatistics(signal), withBroker ? getBroker(signal) : null]);
    batch(() => {
      history.value = extended(history.value, statistics);
      if (facts) broker.value = facts;
      if (lostSince.value !== null) reconnects.value += 1;
      lostSince.value = null;
    });
    return true;
  } catch {
    lostSince.value ??= Date.now();
    return false;
  }
}
