/** One topic: its messages, its partitions, its settings. */

import { useSignal } from "@preact/signals";
import { getTopic } from "../../api/broker";
import { Refusal } from "../../api/client";
import type { Topic } from "../../api/types";
import { bytes, compact, plural } from "../../logic/format";
import { useResource } from "../../resource";
import { link } from "../../router";
import { Button } from "../../ui/controls";
import { Badge, Empty, Page, Problem, Tabs, Waiting } from "../../ui/page";
import { CreateTopic } from "../create-topic";
import { FormatBadge } from "../topics";
import { DeleteTopic } from "./delete-topic";
import { Messages } from "./messages";
import { Partitions } from "./partitions";
import { Produce, type Draft } from "./produce";
import { TopicSettings } from "./topic-settings";

const REFRESH_MS = 3000;

interface TopicProps {
  name: string;
  tab: string;
  query: URLSearchParams;
}

export function TopicScreen({ name, tab, query }: TopicProps) {
  const { data, error, reload } = useResource(name, (signal) => getTopic(name, signal), REFRESH_MS);
  const draft = useSignal<Draft | null>(null);
  const deleting = useSignal(false);
  const topic = data.value;
  const missing = error.value instanceof Refusal && error.value.status === 404;
  return (
    <Page
      title={name}
      above={{ title: "Topics", href: link("topics") }}
      facts={topic && <TopicFacts topic={topic} />}
      actions={
        topic &&
        !missing &&
        !topic.internal && (
          <>
            <Button icon="trash" label="Delete topic" onClick={() => (deleting.value = true)} />
            <Button look="primary" icon="send" onClick={() => (draft.value = {})}>
              Produce
            </Button>
          </>
        )
      }
    >
      {missing && <NoTopic name={name} />}
      {error.value !== null && !missing && !topic && <Problem error={error.value} onRetry={reload} />}
      {!topic && error.value === null && <Waiting />}
      {topic && !missing && (
        <>
          <Tabs
            label="Parts of the topic"
            tabs={[
              { href: link("topics", name), title: "Messages", current: tab === "messages" },
              {
                href: link("topics", name, "partitions"),
                title: "Partitions",
                count: topic.partitions.length,
                current: tab === "partitions",
              },
              { href: link("topics", name, "settings"), title: "Settings", current: tab === "settings" },
            ]}
          />
          {tab === "messages" && <Messages topic={topic} query={query} onDraft={(value) => (draft.value = value)} />}
          {tab === "partitions" && <Partitions topic={topic} onChange={reload} />}
          {tab === "settings" && <TopicSettings topic={topic} onChange={reload} />}
        </>
      )}
      {draft.value && topic && (
        <Produce topic={topic} draft={draft.value} onStored={reload} onClose={() => (draft.value = null)} />
      )}
      {deleting.value && <DeleteTopic name={name} onClose={() => (deleting.value = false)} />}
    </Page>
  );
}

function TopicFacts({ topic }: { topic: Topic }) {
  const length = topic.partitions.reduce((sum, each) => sum + each.high_watermark - each.log_start_offset, 0);
  return (
    <>
      <FormatBadge format={topic.format} />
      {topic.internal && <Badge>internal</Badge>}
      {topic.offset_unit === "records" && <span>{`${compact(length)} ${length === 1 ? "message" : "messages"}`}</span>}
      <span>{bytes(topic.size_bytes)}</span>
      <span>{plural(topic.partitions.length, "partition")}</span>
    </>
  );
}

function NoTopic({ name }: { name: string }) {
  const creating = useSignal(false);
  return (
    <Empty icon="topics" title="There is no such topic.">
      <p>
        <span class="mono">{name}</span> may have been deleted, or nobody has sent it a message yet.
      </p>
      <Button icon="plus" onClick={() => (creating.value = true)}>
        Create topic
      </Button>
      {creating.value && <CreateTopic name={name} onClose={() => (creating.value = false)} />}
    </Empty>
  );
}
