/** What the broker answers: the JSON of its HTTP API (docs/http.md). Times in milliseconds since 1970, sizes in bytes. */

export interface Connections {
  text: number;
  kafka: number;
  http: number;
  undecided: number;
  total: number;
  max: number;
}

export interface Broker {
  version: string;
  cluster_id: string;
  started_ms: number;
  data_dir: string;
  sync: string;
  address: string;
  ready: boolean;
  status: string;
  topic_count: number;
  partition_count: number;
  connections: Connections;
  disk: { free_bytes: number; total_bytes: number; log_size_bytes: number };
  recovery: Record<string, unknown>;
}

/** Counts of observations at or below each bound; the last bound is no number but stands for all. */
export interface Histogram {
  count: number;
  sum: number;
  buckets: [number | string | null, number][];
}

export interface Statistics {
  time_ms: number;
  appended_records: number;
  appended_bytes: number;
  appends: number;
  read_bytes: number;
  reads: number;
  commits: number;
  sync_seconds: Histogram;
  commit_seconds: Histogram;
  waiting_bytes: number;
  connections: Connections;
  requests: { text: number; kafka: number; http: number };
  errors: number;
  log_size_bytes: number;
  disk_free_bytes: number;
}

export interface BrokerSetting {
  name: string;
  value: string;
  default: string;
  flag: string;
  variable: string;
  meaning: string;
}

export type Format = "batch" | "plain";
export type OffsetUnit = "records" | "bytes";

export interface TopicRow {
  name: string;
  format: Format;
  internal: boolean;
  partition_count: number;
  size_bytes: number;
  offset_unit: OffsetUnit;
}

export interface Partition {
  partition: number;
  log_start_offset: number;
  high_watermark: number;
  size_bytes: number;
  segment_count: number;
}

export interface TopicSetting {
  name: string;
  value: string;
  source: "topic" | "default";
  meaning: string;
}

export interface Topic {
  name: string;
  topic_id: string;
  format: Format;
  internal: boolean;
  offset_unit: OffsetUnit;
  size_bytes: number;
  partitions: Partition[];
  settings: TopicSetting[];
}

/** Text where the bytes are UTF-8. */
export type Payload = string | { base64: string } | null;

export interface Header {
  name: string;
  value: Payload;
}

/** A record as it is read; the name `Record` is TypeScript's. */
export interface StreamRecord {
  partition: number;
  offset: number;
  timestamp_ms: number | null;
  key: Payload;
  value: Payload;
  headers: Header[];
  size_bytes: number;
}

export interface RecordPage {
  records: StreamRecord[];
  log_start_offset: number;
  high_watermark: number;
  next_offset: number;
}

/** A record as it is given: any JSON is kept as its text. */
export interface NewRecord {
  key?: Payload;
  value: unknown;
  headers?: Header[];
  partition?: number;
}

export interface StoredAt {
  partition: number;
  offset: number;
}

export interface SearchProgress {
  partition: number;
  offset: number;
  end_offset: number;
  scanned_records: number;
  scanned_bytes: number;
}

export interface GroupRow {
  group: string;
  type: "classic" | "consumer";
  state: string;
  member_count: number;
  topic_count: number;
  lag: number;
}

export interface GroupMember {
  member_id: string;
  client_id: string;
  client_host: string;
  instance_id: string | null;
  partitions: { topic: string; partition: number }[];
}

/** A partition that the group reads; without an offset as long as none was committed. */
export interface GroupOffset {
  topic: string;
  partition: number;
  offset: number | null;
  metadata: string;
  committed_ms: number | null;
  log_start_offset: number | null;
  high_watermark: number | null;
  lag: number | null;
  member_id: string | null;
}

export interface Group {
  group: string;
  type: "classic" | "consumer";
  state: string;
  protocol: string | null;
  generation: number;
  coordinator: string;
  members: GroupMember[];
  offsets: GroupOffset[];
}

export interface OffsetMove {
  topic: string;
  partition: number;
  from: number | null;
  to: number;
}
