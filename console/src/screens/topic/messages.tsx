/** The messages of a topic: from either end, from a place in it, as they come, or those that hold a text. */

import { useSignal, type Signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import { recordsPath } from "../../api/broker";
import type { StreamRecord, Topic } from "../../api/types";
import { curlCommand } from "../../commands";
import { count } from "../../logic/format";
import { parseTime } from "../../logic/time";
import { remember } from "../../router";
import { Button } from "../../ui/controls";
import { Dialog } from "../../ui/dialog";
import { wide } from "../../ui/screen";
import { FeedStatus } from "./feed-status";
import type { Feed, Scope } from "./feeds/feed";
import { pagesFeed } from "./feeds/pages";
import { searchFeed } from "./feeds/search";
import { tailFeed } from "./feeds/tail";
import { Message } from "./message";
import { MessageList, messageKey } from "./message-list";
import type { Draft } from "./produce";
import { Toolbar } from "./toolbar";

/** What is shown of the topic; it stands in the address, so that it can be passed on. */
export interface View {
  /** `latest`, `earliest`, `live`, an offset or a time as it was typed. */
  from: string;
  /** A partition, or empty for all of them. */
  partition: string;
  search: string;
  /** The parts of a message that are searched. */
  parts: readonly string[];
}

export const PARTS = ["key", "value", "headers"] as const;

/** More partitions than this are not read side by side. */
export const LANES_MAX = 64;

interface MessagesProps {
  topic: Topic;
  query: URLSearchParams;
  onDraft: (draft: Draft) => void;
}

export function Messages({ topic, query, onDraft }: MessagesProps) {
  const view = useSignal(viewOf(query, topic));
  const refreshes = useSignal(0);
  const feed = useFeed(topic.name, view.value, refreshes.value);
  const open = useSignal<StreamRecord | null>(null);

  useEffect(() => {
    const { from, partition, search, parts } = view.value;
    const all = parts.length === PARTS.length;
    remember({ from: from === "latest" ? "" : from, partition, search, in: all ? "" : parts.join(",") });
    open.value = null;
  }, [view.value]);

  return (
    <>
      <Toolbar
        topic={topic}
        view={view.value}
        onView={(value) => (view.value = value)}
        onRefresh={() => (refreshes.value += 1)}
      />
      <FeedStatus feed={feed} view={view.value} curl={curlOf(topic, view.value)} onRefresh={() => (refreshes.value += 1)} />
      <div class={`messages${open.value && wide.value ? " messages-open" : ""}`}>
        <MessageList topic={topic} feed={feed} view={view.value} open={open} />
        <Opened open={open} topic={topic} search={view.value.search} onDraft={onDraft} />
      </div>
    </>
  );
}

interface OpenedProps {
  open: Signal<StreamRecord | null>;
  topic: Topic;
  search: string;
  onDraft: (draft: Draft) => void;
}

/** The chosen message: beside the list where there is room, else over it. */
function Opened({ open, topic, search, onDraft }: OpenedProps) {
  const record = open.value;
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.key === "Escape" && !event.defaultPrevented && !document.querySelector("dialog[open]")) open.value = null;
    };
    addEventListener("keydown", onKeyDown);
    return () => removeEventListener("keydown", onKeyDown);
  }, []);
  if (!record) return null;
  const close = () => (open.value = null);
  const title = topic.partitions.length > 1 ? `Partition ${record.partition}, offset ${count(record.offset)}` : `Offset ${count(record.offset)}`;
  const message = (
    <Message key={messageKey(record)} topic={topic} record={record} search={search} onDraft={onDraft} />
  );
  if (!wide.value) {
    return (
      <Dialog title={title} look="sheet" onClose={close}>
        {message}
      </Dialog>
    );
  }
  return (
    <Beside title={title} onClose={close}>
      {message}
    </Beside>
  );
}

interface BesideProps {
  title: string;
  children: ComponentChildren;
  onClose: () => void;
}

function Beside({ title, children, onClose }: BesideProps) {
  return (
    <section class="beside" aria-label={title}>
      <header class="beside-head">
        <h2>{title}</h2>
        <Button icon="close" label="Close" look="quiet" onClick={onClose} />
      </header>
      {children}
    </section>
  );
}

/** The feed that a view asks for; the one before it is stopped. */
function useFeed(topic: string, view: View, refreshes: number): Feed {
  const feed = useMemo(() => feedOf(topic, view), [topic, view, refreshes]);
  useEffect(() => () => feed.stop(), [feed]);
  return feed;
}

function feedOf(topic: string, view: View): Feed {
  const scope: Scope = { topic, partition: view.partition === "" ? null : Number(view.partition) };
  if (view.search) {
    const from = view.from === "latest" || view.from === "live" ? "earliest" : startOf(view.from);
    return searchFeed(scope, { text: view.search, parts: view.parts, from });
  }
  return view.from === "live" ? tailFeed(scope) : pagesFeed(scope, startOf(view.from));
}

/** The `offset` parameter for what was typed: short numbers are offsets, long ones times, as `parseTime` has it. */
export function startOf(from: string): string {
  if (from === "latest" || from === "earliest" || /^\d{1,9}$/.test(from)) return from;
  const time = parseTime(from, Date.now());
  return time === null ? from : `@${time}`;
}

function viewOf(query: URLSearchParams, topic: Topic): View {
  const many = topic.partitions.length > LANES_MAX;
  const parts = (query.get("in") ?? PARTS.join(",")).split(",").filter((part) => (PARTS as readonly string[]).includes(part));
  return {
    from: query.get("from") ?? "latest",
    partition: query.get("partition") ?? (many ? "0" : ""),
    search: query.get("search") ?? "",
    parts: parts.length ? parts : PARTS,
  };
}

function curlOf(topic: Topic, view: View): string {
  const partition = Number(view.partition || topic.partitions[0]?.partition || 0);
  if (view.search) {
    const query = new URLSearchParams({ query: view.search, in: view.parts.join(",") });
    return curlCommand(`/topics/${topic.name}/search?${query}`);
  }
  if (view.from === "live") return curlCommand(`/topics/${topic.name}/stream?offset=latest`);
  const offset = view.from === "latest" ? "-100" : startOf(view.from);
  return curlCommand(recordsPath(topic.name, { partition, offset, count: 100 }));
}
