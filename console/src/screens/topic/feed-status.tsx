/** The line above the messages: how many there are, how far a search has come, what a tail leaves out. */

import type { ComponentChildren } from "preact";
import { compact, count, plural } from "../../logic/format";
import { TAIL_LENGTH } from "../../logic/tail";
import { Button } from "../../ui/controls";
import { CopyButton } from "../../ui/copy";
import { Problem } from "../../ui/page";
import type { Feed, Status } from "./feeds/feed";
import { PAGES_LENGTH_MAX } from "./feeds/pages";
import { MATCHES_MAX } from "./feeds/search";
import type { View } from "./messages";

interface StatusProps {
  feed: Feed;
  view: View;
  curl: string;
  onRefresh: () => void;
}

export function FeedStatus({ feed, view, curl, onRefresh }: StatusProps) {
  const status = feed.status.value;
  if (status.kind === "failed") return <Problem error={status.error} onRetry={onRefresh} />;
  return (
    <div class="feed-status">
      <div class="feed-words" role="status">
        <Words status={status} found={feed.records.value.length} view={view} />
      </div>
      {status.kind === "live" && (
        <Button icon={status.state === "paused" ? "play" : "pause"} onClick={() => feed.pause?.()}>
          {status.state === "paused" ? "Go on" : "Pause"}
        </Button>
      )}
      {status.kind === "searching" && (
        <Button icon="close" onClick={() => feed.cancel?.()}>
          Cancel
        </Button>
      )}
      <CopyButton text={() => curl} what="curl command" title="curl" />
    </div>
  );
}

function Words({ status, found, view }: { status: Status; found: number; view: View }): ComponentChildren {
  switch (status.kind) {
    case "loading":
      return <span class="waiting">Asking the broker…</span>;
    case "page":
      return pageWords(status.atEnd, status.full, found, view);
    case "live":
      return <LiveWords {...status} found={found} />;
    case "searching":
      return <SearchWords progress={status.progress} found={found} />;
    case "searched":
      return searchedWords(status, found);
    case "failed":
      return null;
  }
}

function pageWords(atEnd: boolean, full: boolean, found: number, view: View): string {
  if (found === 0) return "";
  const order = view.from === "latest" ? "newest first" : "oldest first";
  if (full) return `${count(PAGES_LENGTH_MAX)} messages, ${order}: no more are kept here. Go on from another offset.`;
  return atEnd ? `${plural(found, "message")}, ${order}` : `${plural(found, "message")} so far, ${order}`;
}

type LiveProps = Extract<Status, { kind: "live" }> & { found: number };

function LiveWords({ state, shown, all, found }: LiveProps) {
  if (state === "waiting") return "The tail was cut off. Connecting again…";
  if (state === "paused") return `Paused, ${plural(found, "message")}. It goes on where it stopped.`;
  const sampled = all > shown * 1.02 && all - shown >= 1;
  return (
    <>
      <span class="live">
        <i aria-hidden="true" />
        Live
      </span>
      {sampled ? (
        <span>
          showing <b>{compact(Math.round(shown))}</b> of <b>{compact(Math.round(all))}</b> messages a second
        </span>
      ) : (
        <span>{all < 0.5 ? "waiting for messages" : `${compact(Math.round(all))} messages a second, all shown`}</span>
      )}
      {found >= TAIL_LENGTH && <span class="quiet">the last {count(TAIL_LENGTH)} stay</span>}
    </>
  );
}

function SearchWords({ progress, found }: { progress: Extract<Status, { kind: "searching" }>["progress"]; found: number }) {
  return (
    <>
      <progress
        aria-label="Search"
        {...(progress && progress.end_offset > 0 ? { value: progress.offset, max: progress.end_offset } : {})}
      />
      <span>
        {progress && `partition ${progress.partition}, ${plural(progress.scanned_records, "message")} searched, `}
        <b>{count(found)}</b> found
      </span>
    </>
  );
}

function searchedWords(status: Extract<Status, { kind: "searched" }>, found: number): string {
  const searched = `${plural(status.scanned, "message")} searched`;
  if (status.limited) return `The first ${count(MATCHES_MAX)} that match, ${searched}. A longer text finds fewer.`;
  if (status.cancelled) return `Cancelled: ${count(found)} found, ${searched}`;
  return `${count(found)} found, ${searched}`;
}
