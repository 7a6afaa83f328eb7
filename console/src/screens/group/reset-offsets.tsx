/** The dialog that moves a group elsewhere: first it shows from where to where, then it does it. */

import { useSignal } from "@preact/signals";
import { resetOffsets, type Reset } from "../../api/broker";
import { words } from "../../api/client";
import type { Group, OffsetMove } from "../../api/types";
import { count, plural } from "../../logic/format";
import { parseTime } from "../../logic/time";
import { Button, Field, Segmented, Select } from "../../ui/controls";
import { Dialog } from "../../ui/dialog";
import { say } from "../../ui/toast";

type Target = "earliest" | "latest" | "time" | "offset";

const TARGETS: readonly (readonly [Target, string])[] = [
  ["earliest", "Earliest"],
  ["latest", "Latest"],
  ["time", "Time"],
  ["offset", "Offset"],
];
/** Moves that are listed; of more only the number is said. */
const MOVES_SHOWN = 200;

interface ResetProps {
  group: Group;
  onReset: () => void;
  onClose: () => void;
}

export function ResetOffsets({ group, onReset, onClose }: ResetProps) {
  const topics = [...new Set(group.offsets.map((each) => each.topic))].sort();
  const topic = useSignal(topics[0]!);
  const partition = useSignal("");
  const target = useSignal<Target>("earliest");
  const text = useSignal("");
  const moves = useSignal<OffsetMove[] | null>(null);
  const error = useSignal<string | null>(null);
  const to = destination(target.value, text.value);
  const partitions = group.offsets.filter((each) => each.topic === topic.value).map((each) => String(each.partition));

  const ask = async (dry_run: boolean) => {
    if (to === null) return;
    error.value = null;
    const reset: Reset = { topic: topic.value, to, dry_run };
    if (partition.value !== "") reset.partition = Number(partition.value);
    try {
      moves.value = await resetOffsets(group.group, reset);
      if (dry_run) return;
      say(`${plural(moves.value.length, "offset")} of ${topic.value} reset`);
      onReset();
      onClose();
    } catch (failure) {
      error.value = words(failure);
    }
  };
  /** Whatever is changed makes the preview one of something else. */
  const changing = (change: () => void) => {
    change();
    moves.value = null;
    error.value = null;
  };

  return (
    <Dialog
      title="Reset offsets"
      look="wide"
      onClose={onClose}
      onSubmit={() => void ask(moves.value === null)}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          {moves.value === null ? (
            <Button look="primary" type="submit" disabled={to === null}>
              Preview
            </Button>
          ) : (
            <Button look="danger" type="submit" disabled={moves.value.length === 0}>
              {`Reset ${plural(moves.value.length, "offset")}`}
            </Button>
          )}
        </>
      }
    >
      <div class="fields">
        <Field label="Topic">
          {({ id }) => (
            <Select
              id={id}
              label="Topic"
              options={topics.map((each): [string, string] => [each, each])}
              value={topic.value}
              onChange={(value) => changing(() => ((topic.value = value), (partition.value = "")))}
            />
          )}
        </Field>
        <Field label="Partition">
          {({ id }) => (
            <Select
              id={id}
              label="Partition"
              options={[["", "All"], ...partitions.map((each): [string, string] => [each, each])]}
              value={partition.value}
              onChange={(value) => changing(() => (partition.value = value))}
            />
          )}
        </Field>
      </div>
      <div class="field">
        <span class="label">To</span>
        <div class="reset-to">
          <Segmented label="To" options={TARGETS} value={target.value} onChange={(value) => changing(() => (target.value = value))} />
          {(target.value === "time" || target.value === "offset") && (
            <input
              class="input"
              aria-label={target.value === "time" ? "Time" : "Offset"}
              placeholder={target.value === "time" ? "10m ago, 14:30, 2026-01-31 14:30" : "offset"}
              autocomplete="off"
              value={text.value}
              onInput={(event) => {
                const { value } = event.currentTarget;
                changing(() => (text.value = value));
              }}
            />
          )}
        </div>
      </div>
      {error.value && (
        <p class="notice notice-bad" role="alert">
          {error.value}
        </p>
      )}
      {moves.value && <Moves moves={moves.value} />}
    </Dialog>
  );
}

function destination(target: Target, text: string): string | number | null {
  if (target === "earliest" || target === "latest") return target;
  if (target === "offset") return /^\d+$/.test(text.trim()) ? Number(text.trim()) : null;
  const time = parseTime(text, Date.now());
  return time === null ? null : `@${time}`;
}

function Moves({ moves }: { moves: OffsetMove[] }) {
  if (moves.length === 0) return <p class="quiet">Nothing to move: the group has no such offset.</p>;
  return (
    <div class="moves" role="region" aria-label="Preview" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th>Partition</th>
            <th class="end">From</th>
            <th class="end">To</th>
            <th class="end">Change</th>
          </tr>
        </thead>
        <tbody>
          {moves.slice(0, MOVES_SHOWN).map((move) => (
            <tr key={`${move.topic}/${move.partition}`}>
              <td>{move.partition}</td>
              <td class="end">{move.from === null ? "none" : count(move.from)}</td>
              <td class="end">{count(move.to)}</td>
              <td class="end">{move.from === null ? "" : difference(move.to - move.from)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {moves.length > MOVES_SHOWN && <p class="quiet">and {count(moves.length - MOVES_SHOWN)} more</p>}
    </div>
  );
}

function difference(by: number): string {
  return by === 0 ? "stays" : `${by > 0 ? "+" : "−"}${count(Math.abs(by))}`;
}
