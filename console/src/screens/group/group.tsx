/** One consumer group: where it has come to in each partition, who reads what, and moving it elsewhere. */

import { useSignal } from "@preact/signals";
import { getGroup } from "../../api/broker";
import { Refusal } from "../../api/client";
import type { Group, GroupMember, GroupOffset } from "../../api/types";
import { groupCommands } from "../../commands";
import { ago, compact, count, plural, timestamp } from "../../logic/format";
import { useResource } from "../../resource";
import { go, link } from "../../router";
import { Button } from "../../ui/controls";
import { Commands } from "../../ui/copy";
import { Grid, type Column } from "../../ui/grid";
import { Badge, Empty, Notice, Page, Problem, Waiting } from "../../ui/page";
import { StateBadge } from "../groups";
import { DeleteGroup } from "./delete-group";
import { ResetOffsets } from "./reset-offsets";

const REFRESH_MS = 2000;

export function GroupScreen({ name }: { name: string }) {
  const { data, error, reload } = useResource(name, (signal) => getGroup(name, signal), REFRESH_MS);
  const resetting = useSignal(false);
  const deleting = useSignal(false);
  const group = data.value;
  const missing = error.value instanceof Refusal && error.value.status === 404;
  const inUse = group !== null && group.members.length > 0;
  return (
    <Page
      title={name}
      above={{ title: "Groups", href: link("groups") }}
      facts={group && <GroupFacts group={group} />}
      actions={
        group &&
        !missing && (
          <>
            <Button icon="trash" label="Delete group" disabled={inUse} onClick={() => (deleting.value = true)} />
            <Button disabled={inUse || group.offsets.length === 0} onClick={() => (resetting.value = true)}>
              Reset offsets…
            </Button>
          </>
        )
      }
    >
      {missing && (
        <Empty icon="groups" title="There is no such group.">
          <p>It may have been deleted, or its offsets have expired.</p>
        </Empty>
      )}
      {error.value !== null && !missing && !group && <Problem error={error.value} onRetry={reload} />}
      {!group && error.value === null && <Waiting />}
      {group && !missing && (
        <>
          {inUse && <Notice>While the group has members, only they move its offsets: stop them to reset or delete it.</Notice>}
          <Offsets group={group} />
          <Members group={group} />
        </>
      )}
      {resetting.value && group && (
        <ResetOffsets group={group} onReset={reload} onClose={() => (resetting.value = false)} />
      )}
      {deleting.value && <DeleteGroup name={name} onClose={() => (deleting.value = false)} />}
    </Page>
  );
}

function GroupFacts({ group }: { group: Group }) {
  const lag = group.offsets.reduce((sum, each) => sum + (each.lag ?? 0), 0);
  return (
    <>
      <StateBadge state={group.state} />
      <span>{group.type}</span>
      {group.protocol && <span title="How partitions are assigned">{group.protocol}</span>}
      <span>generation {count(group.generation)}</span>
      <span title={count(lag)}>lag {compact(lag)}</span>
    </>
  );
}

function Offsets({ group }: { group: Group }) {
  if (group.offsets.length === 0) {
    return (
      <Empty icon="groups" title="No offsets committed yet">
        <p>The group's members have not said how far they have come.</p>
        <Commands commands={groupCommands("hello", group.group)} />
      </Empty>
    );
  }
  const most = Math.max(1, ...group.offsets.map((each) => each.lag ?? 0));
  const clients = new Map(group.members.map((member) => [member.member_id, member.client_id]));
  const columns: Column<GroupOffset>[] = [
    { title: "Topic", name: "name", cell: (each) => <TopicLink topic={each.topic} /> },
    { title: "Part.", name: "partition", end: true, cell: (each) => each.partition },
    { title: "Committed", name: "offset", end: true, cell: (each) => <Committed offset={each} /> },
    { title: "End", name: "next", end: true, cell: (each) => (each.high_watermark === null ? "–" : count(each.high_watermark)) },
    { title: "Lag", name: "lag", end: true, cell: (each) => (each.lag === null ? "–" : count(each.lag)) },
    { title: "Share of the largest lag", name: "share", untitled: true, cell: (each) => <LagBar share={(each.lag ?? 0) / most} /> },
    { title: "Read by", name: "member", cell: (each) => (each.member_id && clients.get(each.member_id)) || <span class="none">nobody</span> },
  ];
  return (
    <section class="part">
      <h2>Offsets</h2>
      <Grid
        name="offsets"
        label="Offsets by partition"
        columns={columns}
        rows={group.offsets}
        keyOf={(each) => `${each.topic}/${each.partition}`}
        onOpen={(each) => go(`${link("topics", each.topic)}?partition=${each.partition}&from=${each.offset ?? "earliest"}`)}
        narrowRowHeight={62}
      />
    </section>
  );
}

function TopicLink({ topic }: { topic: string }) {
  return (
    <a class="name" href={link("topics", topic)} tabIndex={-1}>
      {topic}
    </a>
  );
}

function Committed({ offset }: { offset: GroupOffset }) {
  if (offset.offset === null || offset.committed_ms === null) return <span class="none">not yet</span>;
  const when = `${timestamp(offset.committed_ms)}, ${ago(offset.committed_ms, Date.now())}`;
  return <span title={`Committed ${when}${offset.metadata ? `, saying: ${offset.metadata}` : ""}`}>{count(offset.offset)}</span>;
}

function LagBar({ share }: { share: number }) {
  return (
    <span class="meter" aria-hidden="true">
      <i style={{ width: `${share * 100}%` }} />
    </span>
  );
}

function Members({ group }: { group: Group }) {
  return (
    <section class="part">
      <h2>
        Members <span class="tab-count">{group.members.length}</span>
      </h2>
      {group.members.length === 0 && <p class="quiet">Nobody reads in this group now.</p>}
      <ul class="members">
        {group.members.map((member) => (
          <Member key={member.member_id} member={member} />
        ))}
      </ul>
    </section>
  );
}

/** Assignments of this length are shown whole. */
const ASSIGNED_SHOWN = 24;

function Member({ member }: { member: GroupMember }) {
  return (
    <li class="panel member">
      <header>
        <h3>{member.client_id}</h3>
        <span class="quiet">{member.client_host}</span>
        {member.instance_id && <Badge title="A static member: it may come back without a rebalance">{member.instance_id}</Badge>}
      </header>
      <p class="mono quiet member-id">{member.member_id}</p>
      <p class="assigned">
        {member.partitions.length === 0 && <span class="none">reads no partition</span>}
        {member.partitions.slice(0, ASSIGNED_SHOWN).map((each) => (
          <span key={`${each.topic}/${each.partition}`} class="chip">
            {each.topic} <b>{each.partition}</b>
          </span>
        ))}
        {member.partitions.length > ASSIGNED_SHOWN && (
          <span class="quiet">and {plural(member.partitions.length - ASSIGNED_SHOWN, "more", "more")}</span>
        )}
      </p>
    </li>
  );
}
