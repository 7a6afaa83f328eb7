/** Every call of the HTTP API that the console makes. */

import { call, query, segment } from "./client";
import type {
  Broker,
  BrokerSetting,
  Group,
  GroupRow,
  NewRecord,
  OffsetMove,
  RecordPage,
  Statistics,
  StoredAt,
  Topic,
  TopicRow,
} from "./types";

/** Topics or groups that one answer may hold. */
const PAGE_LENGTH = 10_000;

export const getBroker = (signal?: AbortSignal) => call<Broker>("/broker", signal ? { signal } : {});

export const getStatistics = (signal: AbortSignal) => call<Statistics>("/broker/statistics", { signal });

export const getSettings = async (signal: AbortSignal) =>
  (await call<{ settings: BrokerSetting[] }>("/broker/settings", { signal })).settings;

export interface TopicList {
  topics: TopicRow[];
  total: number;
}

export const getTopics = (search: string, internal: boolean, signal: AbortSignal) =>
  call<TopicList>(`/topics${query({ search, internal, limit: PAGE_LENGTH })}`, { signal });

export const getTopic = (topic: string, signal: AbortSignal) => call<Topic>(`/topics/${segment(topic)}`, { signal });

export interface NewTopic {
  name: string;
  partitions?: number;
  format: string;
  settings: Record<string, string>;
}

export const createTopic = (topic: NewTopic) => call<Topic>("/topics", { method: "POST", body: topic });

export const changeTopic = (
  topic: string,
  change: { partitions?: number; settings?: Record<string, string | null> },
) => call<Topic>(`/topics/${segment(topic)}`, { method: "PATCH", body: change });

export const deleteTopic = (topic: string) => call<void>(`/topics/${segment(topic)}`, { method: "DELETE" });

export interface Range {
  partition: number;
  offset: string;
  count: number;
}

/** The path of a range of records; also what the curl line shows. */
export const recordsPath = (topic: string, range: Range) => `/topics/${segment(topic)}/records${query({ ...range })}`;

export const getRecords = (topic: string, range: Range, signal: AbortSignal) =>
  call<RecordPage>(recordsPath(topic, range), { signal });

export const valuePath = (topic: string, at: StoredAt) =>
  `/topics/${segment(topic)}/records/${at.offset}${query({ partition: at.partition })}`;

export const produce = async (topic: string, records: NewRecord[], signal: AbortSignal) =>
  (
    await call<{ offsets: StoredAt[] }>(`/topics/${segment(topic)}/records`, {
      method: "POST",
      body: { records },
      signal,
    })
  ).offsets;

export const getGroups = async (signal: AbortSignal) =>
  (await call<{ groups: GroupRow[] }>(`/groups${query({ limit: PAGE_LENGTH })}`, { signal })).groups;

export const getGroup = (group: string, signal: AbortSignal) => call<Group>(`/groups/${segment(group)}`, { signal });

export interface Reset {
  topic: string;
  partition?: number;
  to: string | number;
  dry_run: boolean;
}

export const resetOffsets = async (group: string, reset: Reset) =>
  (await call<{ offsets: OffsetMove[] }>(`/groups/${segment(group)}/reset`, { method: "POST", body: reset })).offsets;

export const deleteGroup = (group: string) => call<void>(`/groups/${segment(group)}`, { method: "DELETE" });
