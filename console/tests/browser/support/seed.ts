/** Data as a shop would have it; always the same. */

import { spawn, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import { type Broker, PYTHON, REPOSITORY } from "./broker";

const CITIES = ["Lisboa", "Kraków", "Graz", "Utrecht", "Bergen", "Nantes"];
const STATES = ["placed", "paid", "shipped"];

/** A linear congruential generator: the tests count on what it says. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

export const ORDER_COUNT = 1500;

export async function seed(broker: Broker): Promise<void> {
  const topics: [string, number, Record<string, string>][] = [
    ["orders", 3, { "retention.ms": "30d" }],
    ["payments", 4, {}],
    ["page-views", 8, { "retention.ms": "1d" }],
    ["sensor-readings", 2, {}],
    ["users.changelog", 1, { "cleanup.policy": "compact" }],
    ["emails.outgoing", 1, {}],
    ["empty", 1, {}],
  ];
  for (const [name, partitions, settings] of topics) await broker.call("POST", "/topics", { name, partitions, settings });
  await Promise.all([seedOrders(broker), seedOthers(broker), seedPlain(broker)]);
  await seedGroups(broker);
}

async function seedOrders(broker: Broker): Promise<void> {
  const random = generator(7);
  const pick = <T>(from: readonly T[]) => from[Math.floor(random() * from.length)]!;
  const now = Date.now();
  const records = Array.from({ length: ORDER_COUNT }, (_, index) => {
    const customer = `customer-${1000 + Math.floor(random() * 40)}`;
    const items = Array.from({ length: 1 + Math.floor(random() * 3) }, () => ({
      sku: `SKU-${100 + Math.floor(random() * 900)}`,
      count: 1 + Math.floor(random() * 4),
    }));
    return {
      key: customer,
      timestamp_ms: now - (ORDER_COUNT - index) * 2100,
      value: {
        order: 48_000 + index,
        customer,
        status: pick(STATES),
        total: Math.round(random() * 30_000) / 100,
        currency: "EUR",
        city: pick(CITIES),
        items,
        express: random() < 0.2,
        note: null,
      },
      headers: { "trace-id": Math.floor(random() * 2 ** 48).toString(16).padStart(12, "0"), source: "checkout" },
    };
  });
  await produce(broker, "orders", records);
}

async function seedOthers(broker: Broker): Promise<void> {
  const random = generator(8);
  const bytes = (size: number) => ({ base64: Buffer.from(Array.from({ length: size }, () => random() * 256)).toString("base64") });
  const many = (count: number, record: (index: number) => unknown) => Array.from({ length: count }, (_, index) => record(index));
  await produce(broker, "payments", many(4000, (index) => ({ key: `${index}`, value: { payment: index, amount: index * 3 } })));
  await produce(broker, "page-views", many(6000, (index) => ({ key: `session-${index % 97}`, value: `GET /products/${index % 50} 200 ${index % 400} ms` })));
  await produce(broker, "sensor-readings", many(900, () => ({ key: bytes(2), value: bytes(48) })));
  await produce(
    broker,
    "users.changelog",
    many(300, (index) => ({ key: `user-${index}`, value: index % 7 === 6 ? null : `{"id":1234567890123456${7000 + index},"name":"User ${index}"}` })),
  );
}

async function seedPlain(broker: Broker): Promise<void> {
  const lines = Array.from({ length: 800 }, (_, index) => `PRODUCE greetings hello number ${index}, said by nc`);
  const log = Array.from({ length: 400 }, (_, index) => `PRODUCE nginx.access 10.0.0.${index % 255} - - "GET /health HTTP/1.1" 200 ${index}`);
  await broker.say([...lines, ...log]);
}

async function seedGroups(broker: Broker): Promise<void> {
  const commit = (group: string, topic: string, offsets: number[]) =>
    broker.call("PUT", `/groups/${group}/offsets`, { offsets: offsets.map((offset, partition) => ({ topic, partition, offset })) });
  await commit("billing", "payments", [900, 950, 860, 980]);
  await commit("archive", "orders", [480, 470, 460]);
  await commit("archive", "greetings", [12_000]);
  await commit("page-view-stats", "page-views", [700, 650, 610, 720, 690, 640, 700, 655]);
}

async function produce(broker: Broker, topic: string, records: unknown[]): Promise<void> {
  await broker.call("POST", `/topics/${topic}/records`, { records });
}

/** Consumers of a group that stay until `stop` is called; null without a Kafka client to run them. */
export async function members(broker: Broker, group: string, topic: string, count: number): Promise<{ stop: () => void } | null> {
  const script = join(REPOSITORY, "tests/integration/console/member.py");
  const process: ChildProcess = spawn(PYTHON, [script, String(broker.port), group, topic, String(count)], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  const assigned = await new Promise<boolean>((resolve) => {
    process.stdout!.once("data", () => resolve(true));
    process.once("exit", () => resolve(false));
  });
  return assigned ? { stop: () => process.stdin!.end() } : null;
}
