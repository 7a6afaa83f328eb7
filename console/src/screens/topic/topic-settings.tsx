/** The settings of a topic: its own ones, and the broker's for the others. */

import { useSignal } from "@preact/signals";
import { changeTopic } from "../../api/broker";
import { words } from "../../api/client";
import type { Topic, TopicSetting } from "../../api/types";
import { Button, Field } from "../../ui/controls";
import { Dialog } from "../../ui/dialog";
import { Badge } from "../../ui/page";
import { say } from "../../ui/toast";

export function TopicSettings({ topic, onChange }: { topic: Topic; onChange: () => void }) {
  const editing = useSignal<TopicSetting | null>(null);
  const change = async (name: string, value: string | null) => {
    await changeTopic(topic.name, { settings: { [name]: value } });
    say(value === null ? `${name} is the broker's again` : `${name} is ${value} now`);
    onChange();
  };
  return (
    <>
      <ul class="settings">
        {topic.settings.map((setting) => (
          <li key={setting.name} class="setting">
            <div class="setting-name">
              <h2 class="mono">{setting.name}</h2>
              <p>{setting.meaning}</p>
            </div>
            <div class="setting-value">
              <b class="mono">{setting.value}</b>
              {setting.source === "topic" ? <Badge tone="accent">set for this topic</Badge> : <span>default of the broker</span>}
            </div>
            <div class="setting-ways setting-actions">
              {!topic.internal && <Button onClick={() => (editing.value = setting)}>Change</Button>}
            </div>
          </li>
        ))}
      </ul>
      {editing.value && (
        <EditSetting setting={editing.value} change={change} onClose={() => (editing.value = null)} />
      )}
    </>
  );
}

interface EditProps {
  setting: TopicSetting;
  change: (name: string, value: string | null) => Promise<void>;
  onClose: () => void;
}

function EditSetting({ setting, change, onClose }: EditProps) {
  const value = useSignal(setting.value);
  const error = useSignal<string | null>(null);
  const apply = async (text: string | null) => {
    try {
      await change(setting.name, text);
      onClose();
    } catch (failure) {
      error.value = words(failure);
    }
  };
  return (
    <Dialog
      title={setting.name}
      onClose={onClose}
      onSubmit={() => void apply(value.value.trim())}
      actions={
        <>
          {setting.source === "topic" && <Button onClick={() => void apply(null)}>Use the broker's</Button>}
          <Button look="primary" type="submit" disabled={value.value.trim() === ""}>
            Change
          </Button>
        </>
      }
    >
      <Field label="Value" hint={setting.meaning} error={error.value}>
        {(attributes) => (
          <input
            {...attributes}
            class="input mono"
            data-first
            autocomplete="off"
            spellcheck={false}
            value={value.value}
            onInput={(event) => (value.value = event.currentTarget.value)}
          />
        )}
      </Field>
    </Dialog>
  );
}
