/** A key, a value or a header's value: laid out as JSON, as its text, or as bytes. */

import type { Payload } from "../../api/types";
import { bytes } from "../../logic/format";
import { hexLines } from "../../logic/hex";
import { prettyJson } from "../../logic/json";
import { payloadBytes, segments } from "../../logic/payload";
import { narrow, wide } from "../../ui/screen";

export type Look = "json" | "text" | "hex";

/** Beyond these a browser becomes slow; the whole value can be downloaded. */
const JSON_LENGTH_MAX = 200_000;
const TEXT_LENGTH_MAX = 500_000;
const HEX_SIZE_MAX = 16_384;

/** A text with what was searched for marked in it. */
export function Marked({ text, found }: { text: string; found: string }) {
  return (
    <>
      {segments(text, found).map((part, index) => (part.found ? <mark key={index}>{part.text}</mark> : part.text))}
    </>
  );
}

interface ViewProps {
  payload: Payload;
  look: Look;
  search: string;
}

export function PayloadView({ payload, look, search }: ViewProps) {
  if (payload === null) return <p class="none">null: there is no value, which is not the same as an empty one</p>;
  if (look === "hex" || typeof payload !== "string") return <Hex data={payloadBytes(payload)} />;
  if (payload === "") return <p class="none">empty</p>;
  const tokens = look === "json" && payload.length <= JSON_LENGTH_MAX ? prettyJson(payload) : null;
  const shown = payload.slice(0, TEXT_LENGTH_MAX);
  return (
    <>
      <pre class="payload" tabIndex={0}>
        {tokens
          ? tokens.map((token, index) => (
              <span key={index} class={`json-${token.kind}`}>
                <Marked text={token.text} found={search} />
              </span>
            ))
          : <Marked text={shown} found={search} />}
      </pre>
      {shown.length < payload.length && <Cut shown={shown.length} all={payload.length} />}
    </>
  );
}

/** On a phone, and beside the list, a line has room for eight bytes. */
function Hex({ data }: { data: Uint8Array }) {
  const shown = data.subarray(0, HEX_SIZE_MAX);
  return (
    <>
      <pre class="payload hex" tabIndex={0}>
        {hexLines(shown, narrow.value || wide.value ? 8 : 16).map((line) => (
          <span key={line.position}>
            <span class="hex-position">{line.position}</span>
            {`  ${line.hex}  `}
            <span class="hex-text">{line.text}</span>
            {"\n"}
          </span>
        ))}
      </pre>
      {shown.length < data.length && <Cut shown={shown.length} all={data.length} />}
    </>
  );
}

function Cut({ shown, all }: { shown: number; all: number }) {
  return (
    <p class="quiet">
      The first {bytes(shown)} of {bytes(all)}; the download has all of it.
    </p>
  );
}
