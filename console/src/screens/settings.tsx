/** The broker's settings: what holds, what would by default, and how to say it otherwise. */

import { useSignal } from "@preact/signals";
import { getSettings } from "../api/broker";
import type { BrokerSetting } from "../api/types";
import { plural } from "../logic/format";
import { useResource } from "../resource";
import { SearchBox, Segmented } from "../ui/controls";
import { CopyButton } from "../ui/copy";
import { Empty, Notice, Page, Problem, Waiting } from "../ui/page";

type Which = "all" | "changed";

export function Settings() {
  const { data, error, reload } = useResource("settings", getSettings);
  const search = useSignal("");
  const which = useSignal<Which>("all");
  const settings = data.value ?? [];
  const shown = settings.filter(
    (setting) => (which.value === "all" || changed(setting)) && matching(setting, search.value.trim().toLowerCase()),
  );
  const changes = settings.filter(changed).length;
  return (
    <Page title="Settings" facts={<span>{changes === 0 ? "all by default" : `${plural(changes, "setting")} changed`}</span>}>
      <Notice>
        They are read when the broker starts: flags first, then variables, then <code>logmq.toml</code>. Topics may have
        settings of their own.
      </Notice>
      <div class="toolbar">
        <SearchBox label="Search settings" value={search.value} onInput={(value) => (search.value = value)} />
        <Segmented<Which>
          label="Which settings"
          options={[
            ["all", "All"],
            ["changed", "Changed"],
          ]}
          value={which.value}
          onChange={(value) => (which.value = value)}
        />
      </div>
      {error.value !== null && <Problem error={error.value} onRetry={reload} />}
      {data.value === null && error.value === null && <Waiting />}
      {data.value !== null && shown.length === 0 && (
        <Empty icon="settings" title={search.value ? "No setting matches." : "Every setting has its default."}>
          <p>Start the broker with a flag such as <code>--sync 100ms</code> to change one.</p>
        </Empty>
      )}
      {shown.length > 0 && (
        <ul class="settings">
          {shown.map((setting) => (
            <Row key={setting.name} setting={setting} />
          ))}
        </ul>
      )}
    </Page>
  );
}

function Row({ setting }: { setting: BrokerSetting }) {
  return (
    <li class="setting">
      <div class="setting-name">
        <h2 class="mono">{setting.name}</h2>
        <p>{setting.meaning}</p>
      </div>
      <div class="setting-value">
        <b class={`mono${changed(setting) ? " setting-changed" : ""}`}>{setting.value}</b>
        {changed(setting) ? <span>default {setting.default}</span> : <span>default</span>}
      </div>
      <div class="setting-ways">
        <Way text={setting.flag} />
        <Way text={setting.variable} />
      </div>
    </li>
  );
}

function Way({ text }: { text: string }) {
  return (
    <span class="way">
      <code>{text}</code>
      <CopyButton text={() => text} what={text} />
    </span>
  );
}

function changed(setting: BrokerSetting): boolean {
  return setting.value !== setting.default;
}

function matching(setting: BrokerSetting, search: string): boolean {
  return [setting.name, setting.meaning, setting.flag, setting.variable, setting.value].some((text) =>
    text.toLowerCase().includes(search),
  );
}
