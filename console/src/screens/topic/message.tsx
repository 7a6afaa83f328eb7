/** One message with all that is in it. */

import { useSignal } from "@preact/signals";
import { valuePath } from "../../api/broker";
import type { Header, StreamRecord, Topic } from "../../api/types";
import { ago, bytes, timestamp } from "../../logic/format";
import { isStructure } from "../../logic/json";
import { payloadBytes, payloadPreview } from "../../logic/payload";
import { Button, Segmented } from "../../ui/controls";
import { CopyButton } from "../../ui/copy";
import { Icon } from "../../ui/icon";
import { Facts } from "../../ui/page";
import { PayloadView, type Look } from "./payload-view";
import type { Draft } from "./produce";

interface MessageProps {
  topic: Topic;
  record: StreamRecord;
  search: string;
  onDraft: (draft: Draft) => void;
}

export function Message({ topic, record, search, onDraft }: MessageProps) {
  const isText = typeof record.value === "string";
  const isJson = isText && isStructure(record.value as string);
  const look = useSignal<Look>(isJson ? "json" : isText || record.value === null ? "text" : "hex");
  const looks: [Look, string][] = [...(isJson ? [["json", "JSON"] as [Look, string]] : []), ...(isText ? [["text", "Text"] as [Look, string]] : []), ["hex", "Hex"]];
  return (
    <div class="message">
      <Facts facts={factsOf(record)} />
      {record.key !== null && (
        <section>
          <header class="part-head">
            <h3>Key</h3>
            <CopyButton text={() => asText(record.key)} what="Key" />
          </header>
          <PayloadView payload={record.key} look="text" search={search} />
        </section>
      )}
      <section>
        <header class="part-head">
          <h3>Value</h3>
          {record.value !== null && looks.length > 1 && (
            <Segmented label="Show as" options={looks} value={look.value} onChange={(value) => (look.value = value)} />
          )}
          <CopyButton text={() => asText(record.value)} what="Value" />
          <a
            class="button button-quiet button-icon"
            href={valuePath(topic.name, record)}
            download={`${topic.name}-${record.partition}-${record.offset}${isJson ? ".json" : ""}`}
            aria-label="Download value"
            title="Download value"
          >
            <Icon name="download" />
          </a>
        </header>
        <PayloadView payload={record.value} look={look.value} search={search} />
      </section>
      {record.headers.length > 0 && <Headers headers={record.headers} search={search} />}
      <footer class="message-foot">
        <CopyButton text={() => JSON.stringify(record, null, 2)} what="Message" title="Copy as JSON" label="Copy as JSON" />
        {!topic.internal && (
          <Button icon="send" look="quiet" onClick={() => onDraft({ record })}>
            Produce again…
          </Button>
        )}
      </footer>
    </div>
  );
}

function factsOf(record: StreamRecord): [string, string][] {
  const size: [string, string] = ["Size", bytes(record.size_bytes)];
  if (record.timestamp_ms === null) return [size];
  return [["Time", `${timestamp(record.timestamp_ms)} (${ago(record.timestamp_ms, Date.now())})`], size];
}

function Headers({ headers, search }: { headers: Header[]; search: string }) {
  return (
    <section>
      <header class="part-head">
        <h3>Headers</h3>
        <span class="quiet">{headers.length}</span>
      </header>
      <dl class="headers">
        {headers.map((header, index) => (
          <div key={index}>
            <dt>{header.name}</dt>
            <dd>
              {typeof header.value === "string" && header.value !== "" ? (
                <PayloadText text={header.value} />
              ) : (
                <PayloadView payload={header.value} look="hex" search={search} />
              )}
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function PayloadText({ text }: { text: string }) {
  return <span class="mono">{text}</span>;
}

/** What goes on the clipboard: the text, or hex where it is none. */
function asText(payload: StreamRecord["value"]): string {
  return typeof payload === "string" ? payload : payloadPreview(payload, payloadBytes(payload).length * 2);
}
