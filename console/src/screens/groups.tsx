/** All consumer groups and how far they are behind. */

import { useComputed, useSignal } from "@preact/signals";
import { getGroups } from "../api/broker";
import type { GroupRow } from "../api/types";
import { groupCommands } from "../commands";
import { compact, count, plural } from "../logic/format";
import { sorted } from "../logic/sorting";
import { useResource } from "../resource";
import { go, link } from "../router";
import { SearchBox } from "../ui/controls";
import { Commands } from "../ui/copy";
import { Grid, type Column, type Sorting } from "../ui/grid";
import { Badge, Empty, Page, Problem, Waiting, type Tone } from "../ui/page";

const REFRESH_MS = 5000;

const COLUMNS: Column<GroupRow>[] = [
  {
    title: "Group",
    name: "name",
    sortable: true,
    cell: (row) => (
      <a class="name" href={link("groups", row.group)} tabIndex={-1}>
        {row.group}
      </a>
    ),
  },
  { title: "State", name: "state", sortable: true, cell: (row) => <StateBadge state={row.state} /> },
  { title: "Type", name: "type", sortable: true, cell: (row) => row.type },
  { title: "Members", name: "members", end: true, sortable: true, cell: (row) => count(row.member_count) },
  { title: "Topics", name: "topics", end: true, sortable: true, cell: (row) => count(row.topic_count) },
  { title: "Lag", name: "lag", end: true, sortable: true, cell: (row) => <span title={count(row.lag)}>{compact(row.lag)}</span> },
];

const SORT_KEYS: Record<string, (row: GroupRow) => string | number> = {
  name: (row) => row.group,
  state: (row) => row.state,
  type: (row) => row.type,
  members: (row) => row.member_count,
  topics: (row) => row.topic_count,
  lag: (row) => row.lag,
};

export function Groups() {
  const { data, error, reload } = useResource("groups", getGroups, REFRESH_MS);
  const search = useSignal("");
  const sorting = useSignal<Sorting>({ column: "name", descending: false });
  const rows = useComputed(() => {
    const wanted = search.value.trim().toLowerCase();
    const found = (data.value ?? []).filter((row) => row.group.toLowerCase().includes(wanted));
    return sorted(found, SORT_KEYS[sorting.value.column]!, sorting.value.descending);
  });
  const groups = data.value;
  return (
    <Page title="Groups" facts={groups && groups.length > 0 && <span>{plural(groups.length, "group")}</span>}>
      {error.value !== null && <Problem error={error.value} onRetry={reload} />}
      {groups === null && error.value === null && <Waiting />}
      {groups && groups.length > 0 && (
        <>
          <div class="toolbar">
            <SearchBox label="Search groups" value={search.value} onInput={(value) => (search.value = value)} />
          </div>
          {rows.value.length === 0 && (
            <Empty icon="search" title="No group has this in its name.">
              <p class="mono">{search}</p>
            </Empty>
          )}
          {rows.value.length > 0 && (
            <Grid
              name="groups"
              label="Groups"
              columns={COLUMNS}
              rows={rows.value}
              keyOf={(row) => row.group}
              onOpen={(row) => go(link("groups", row.group))}
              sorting={sorting.value}
              onSort={(value) => (sorting.value = value)}
              narrowRowHeight={62}
            />
          )}
        </>
      )}
      {groups?.length === 0 && <NoGroups />}
    </Page>
  );
}

function NoGroups() {
  return (
    <Empty icon="groups" title="No consumer groups yet">
      <p>A group remembers how far its consumers have come. The first member or the first committed offset makes it:</p>
      <Commands commands={groupCommands("hello", "readers")} />
    </Empty>
  );
}

const TONES: Record<string, Tone> = {
  stable: "good",
  preparingrebalance: "warn",
  completingrebalance: "warn",
  assigning: "warn",
  reconciling: "warn",
  dead: "bad",
};

export function StateBadge({ state }: { state: string }) {
  return <Badge tone={TONES[state.toLowerCase().replaceAll(/[_ -]/g, "")] ?? "plain"}>{state}</Badge>;
}
