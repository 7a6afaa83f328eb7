/** Where the messages on the screen come from: pages of the log, a live tail, or a search. */

import type { ReadonlySignal } from "@preact/signals";
import type { SearchProgress, StreamRecord } from "../../../api/types";

export type Status =
  | { kind: "loading" }
  | { kind: "page"; atEnd: boolean; full: boolean }
  | { kind: "live"; state: "on" | "paused" | "waiting"; shown: number; all: number }
  | { kind: "searching"; progress: SearchProgress | null }
  | { kind: "searched"; scanned: number; limited: boolean; cancelled: boolean }
  | { kind: "failed"; error: unknown };

export interface Feed {
  records: ReadonlySignal<readonly StreamRecord[]>;
  status: ReadonlySignal<Status>;
  /** How many records the last change put before the others. */
  prepended: ReadonlySignal<number>;
  /** Load what follows. */
  more?: () => void;
  /** Hold the tail, or let it go on. */
  pause?: () => void;
  /** End a search before its end. */
  cancel?: () => void;
  /** Give up whatever is under way. */
  stop: () => void;
}

/** What is looked at: a topic, and of it one partition or all. */
export interface Scope {
  topic: string;
  partition: number | null;
}
