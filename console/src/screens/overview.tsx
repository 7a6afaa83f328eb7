/** What the broker does right now and did in the last minutes. */

import type { ComponentChildren } from "preact";
import type { Broker, Histogram, Statistics } from "../api/types";
import { consumeCommands, produceCommands } from "../commands";
import { broker, history } from "../link";
import { bytes, compact, count, duration, latency, plural, timestamp } from "../logic/format";
import { ends, rates, recentRate, series } from "../logic/history";
import { difference, quantile } from "../logic/quantiles";
import { link } from "../router";
import { Chart, type Line } from "../ui/chart";
import { Commands, type Client } from "../ui/copy";
import { Badge, Facts, Page, Waiting, type Tone } from "../ui/page";

/** Headline rates are taken over this time, so that they can be read. */
const RATE_SPAN_MS = 5_000;
/** Syncs are rarer than messages: quantiles want more of them. */
const LATENCY_SPAN_MS = 60_000;

export function Overview() {
  const facts = broker.value;
  const looks = history.value;
  if (!facts || looks.length === 0) {
    return (
      <Page title="Overview">
        <Waiting />
      </Page>
    );
  }
  return (
    <Page title="Overview" facts={<BrokerFacts facts={facts} />}>
      {facts.topic_count === 0 && <FirstMessage />}
      <div class="panels">
        <Appends looks={looks} />
        <Reads looks={looks} />
        <Syncs looks={looks} sync={facts.sync} />
        <Requests looks={looks} />
      </div>
      <div class="panels panels-three">
        <ConnectionsPanel facts={facts} />
        <DiskPanel facts={facts} />
        <BrokerPanel facts={facts} />
      </div>
    </Page>
  );
}

function BrokerFacts({ facts }: { facts: Broker }) {
  return (
    <>
      <Badge tone={facts.ready ? "good" : "warn"}>{facts.ready ? "Ready" : facts.status}</Badge>
      <span>version {facts.version}</span>
      <span>up {duration(Date.now() - facts.started_ms)}</span>
      <SyncFact sync={facts.sync} />
    </>
  );
}

function SyncFact({ sync }: { sync: string }) {
  if (sync === "always") return <span title="Every acknowledged message survives a power cut.">sync always</span>;
  const loss = sync === "never" ? "whatever the system has not written yet" : `the last ${sync}`;
  return (
    <Badge tone="warn" title={`Messages are acknowledged before they are on the disk: a power cut may take ${loss}.`}>
      sync {sync}
    </Badge>
  );
}

function FirstMessage() {
  return (
    <section class="panel first">
      <div>
        <h2>Send the first message</h2>
        <p>
          The first message to a topic makes it, and everyone can read it back. A topic with settings of its own is made
          under <a href={link("topics")}>Topics</a>.
        </p>
      </div>
      <Commands commands={helloCommands()} />
    </section>
  );
}

function helloCommands(): Record<Client, string[]> {
  const produce = produceCommands("hello");
  const consume = consumeCommands("hello");
  return { nc: [produce.nc, consume.nc], curl: [produce.curl, consume.curl], kcat: [produce.kcat, consume.kcat] };
}

interface PanelProps {
  title: string;
  /** The figure that the panel is about. */
  value?: string;
  unit?: string;
  aside?: ComponentChildren;
  children: ComponentChildren;
}

function Panel({ title, value, unit, aside, children }: PanelProps) {
  return (
    <section class="panel">
      <header class="panel-head">
        <h2>{title}</h2>
        {value !== undefined && (
          <p class="figure">
            <b>{value}</b> {unit}
          </p>
        )}
        {aside && <p class="panel-aside">{aside}</p>}
      </header>
      {children}
    </section>
  );
}

interface LooksProps {
  looks: readonly Statistics[];
}

function LinesChart({ looks, ...chart }: LooksProps & Omit<Parameters<typeof Chart>[0], "times">) {
  return <Chart {...chart} times={looks.map((look) => look.time_ms)} />;
}

function Appends({ looks }: LooksProps) {
  const records = (look: Statistics) => look.appended_records;
  const size = recentRate(looks, (look) => look.appended_bytes, RATE_SPAN_MS);
  const lines: Line[] = [{ name: "messages/s", tone: "one", points: rates(looks, records) }];
  return (
    <Panel
      title="Appended"
      value={compact(recentRate(looks, records, RATE_SPAN_MS) ?? 0)}
      unit="messages/s"
      aside={`${bytes(size ?? 0)}/s`}
    >
      <LinesChart looks={looks} title="Messages appended a second" lines={lines} format={compact} least={10} />
    </Panel>
  );
}

function Reads({ looks }: LooksProps) {
  const size = (look: Statistics) => look.read_bytes;
  const reads = recentRate(looks, (look) => look.reads, RATE_SPAN_MS);
  const lines: Line[] = [{ name: "bytes/s", tone: "two", points: rates(looks, size) }];
  const [value, unit] = bytes(recentRate(looks, size, RATE_SPAN_MS) ?? 0).split(" ");
  return (
    <Panel title="Read" value={value!} unit={`${unit}/s`} aside={`${compact(reads ?? 0)} reads/s`}>
      <LinesChart looks={looks} title="Bytes read a second" lines={lines} format={bytes} least={1024} unit="binary" />
    </Panel>
  );
}

function Syncs({ looks, sync }: LooksProps & { sync: string }) {
  const pair = ends(looks, LATENCY_SPAN_MS);
  const recent = pair && difference(pair[0].sync_seconds, pair[1].sync_seconds);
  const p99 = recent && quantile(recent, 0.99);
  const p50 = recent && quantile(recent, 0.5);
  const syncs = recentRate(looks, (look) => look.sync_seconds.count, RATE_SPAN_MS) ?? 0;
  const [value, unit] = p99 === null ? ["–", ""] : latency(p99).split(" ");
  const lines: Line[] = [
    { name: "p50", tone: "one", points: quantiles(looks, 0.5) },
    { name: "p99", tone: "three", points: quantiles(looks, 0.99) },
  ];
  return (
    <Panel
      title="Sync of the disk (fdatasync)"
      value={value!}
      unit={p99 === null ? "nothing synced in the last minute" : `${unit} p99 of the last minute`}
      aside={
        <>
          {p50 !== null && `p50 ${latency(p50)} · `}
          {`${compact(syncs)} syncs/s`}
          {sync === "never" && " · sync never"}
        </>
      }
    >
      <LinesChart looks={looks} title="Time that a sync took" lines={lines} format={latency} least={0.001} scale="logarithmic" />
    </Panel>
  );
}

function quantiles(looks: readonly Statistics[], q: number): (number | null)[] {
  const histogram = (look: Statistics): Histogram => look.sync_seconds;
  return series(looks, (after, before) => quantile(difference(histogram(after), histogram(before)), q));
}

function Requests({ looks }: LooksProps) {
  const errors = recentRate(looks, (look) => look.errors, LATENCY_SPAN_MS) ?? 0;
  const all = (look: Statistics) => look.requests.text + look.requests.kafka + look.requests.http;
  const lines: Line[] = [
    { name: "text", tone: "one", points: rates(looks, (look) => look.requests.text) },
    { name: "Kafka", tone: "two", points: rates(looks, (look) => look.requests.kafka) },
    { name: "HTTP", tone: "three", points: rates(looks, (look) => look.requests.http) },
  ];
  return (
    <Panel
      title="Requests"
      value={compact(recentRate(looks, all, RATE_SPAN_MS) ?? 0)}
      unit="requests/s"
      aside={errors > 0 ? <Badge tone="warn">{compact(errors)} errors/s</Badge> : "no errors in the last minute"}
    >
      <LinesChart looks={looks} title="Requests a second" lines={lines} format={compact} least={10} />
    </Panel>
  );
}

function ConnectionsPanel({ facts: { connections } }: { facts: Broker }) {
  const kinds: [string, number, string][] = [
    ["text", connections.text, "one"],
    ["Kafka", connections.kafka, "two"],
    ["HTTP", connections.http, "three"],
    ["not spoken yet", connections.undecided, "none"],
  ];
  const most = Math.max(1, ...kinds.map(([, open]) => open));
  return (
    <Panel title="Connections" value={count(connections.total)} unit={`of ${count(connections.max)}`}>
      <ul class="bars">
        {kinds.map(([kind, open, tone]) => (
          <li key={kind} class={`tone-${tone}`}>
            <span>{kind}</span>
            <Meter share={open / most} />
            <b>{count(open)}</b>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

/** How full something is, beside a number that says it exactly. */
function Meter({ share }: { share: number }) {
  return (
    <span class="meter" aria-hidden="true">
      <i style={{ width: `${Math.min(1, share) * 100}%` }} />
    </span>
  );
}

/** Less room than this share of the disk is worth a colour. */
const LITTLE_ROOM = 0.1;

function DiskPanel({ facts: { disk } }: { facts: Broker }) {
  const others = Math.max(0, disk.total_bytes - disk.free_bytes - disk.log_size_bytes);
  const share = (part: number) => `${(part / Math.max(1, disk.total_bytes)) * 100}%`;
  const tone: Tone = disk.free_bytes < LITTLE_ROOM * disk.total_bytes ? "warn" : "plain";
  const [value, unit] = bytes(disk.log_size_bytes).split(" ");
  return (
    <Panel title="Disk" value={value!} unit={`${unit} of logs`}>
      <div class={`disk disk-${tone}`} role="img" aria-label={`${bytes(disk.free_bytes)} of ${bytes(disk.total_bytes)} free`}>
        <i class="disk-logs" style={{ width: share(disk.log_size_bytes) }} />
        <i class="disk-others" style={{ width: share(others) }} />
      </div>
      <ul class="bars bars-plain">
        <li class="tone-one">
          <i aria-hidden="true" />
          <span>logs</span>
          <b>{bytes(disk.log_size_bytes)}</b>
        </li>
        <li class="tone-none">
          <i aria-hidden="true" />
          <span>other files</span>
          <b>{bytes(others)}</b>
        </li>
        <li class="tone-free">
          <i aria-hidden="true" />
          <span>free</span>
          <b>{tone === "warn" ? <Badge tone="warn">{bytes(disk.free_bytes)}</Badge> : bytes(disk.free_bytes)}</b>
        </li>
      </ul>
    </Panel>
  );
}

function BrokerPanel({ facts }: { facts: Broker }) {
  return (
    <Panel title="Broker">
      <Facts
        facts={[
          ["Holds", <TopicsLink facts={facts} />],
          ["Address", facts.address],
          ["Data", <span class="mono">{facts.data_dir}</span>],
          ["Started", timestamp(facts.started_ms).slice(0, 19)],
          ["Cluster", <span class="mono">{facts.cluster_id}</span>],
        ]}
      />
    </Panel>
  );
}

function TopicsLink({ facts }: { facts: Broker }) {
  return (
    <a href={link("topics")}>
      {plural(facts.topic_count, "topic")}, {plural(facts.partition_count, "partition")}
    </a>
  );
}
