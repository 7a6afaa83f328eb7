// kafkajs: the client in JavaScript alone. It reads in groups only, so every consume has a group of its own.
// See driver.py for what the operations must do.

"use strict";

const readline = require("node:readline");
const {
  CompressionTypes,
  ConfigResourceTypes,
  Kafka,
  Partitioners,
  logLevel,
} = require("kafkajs");

const TIMEOUT_MS = 25_000;
const CODECS = { none: CompressionTypes.None, gzip: CompressionTypes.GZIP };

const kafka = new Kafka({
  brokers: [process.argv[2]],
  logLevel: logLevel.NOTHING,
  retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 60 },
});

const toText = (data) => (data === null || data === undefined ? null : data.toString("latin1"));
const toBytes = (text) => (text === null ? null : Buffer.from(text, "latin1"));

function toFields(partition, message) {
  const headers = [];
  for (const [name, value] of Object.entries(message.headers ?? {})) {
    for (const one of Array.isArray(value) ? value : [value]) headers.push([name, toText(one)]);
  }
  return {
    value: toText(message.value),
    key: toText(message.key),
    headers,
    partition,
    timestamp: Number(message.timestamp),
    offset: Number(message.offset),
  };
}

function toHeaders(pairs) {
  const headers = {};
  for (const [name, value] of pairs) {
    const data = toBytes(value);
    headers[name] = name in headers ? [headers[name], data].flat() : data;
  }
  return headers;
}

const producers = new Map();

async function producerFor(idempotent) {
  if (!producers.has(idempotent)) {
    const producer = kafka.producer({
      idempotent,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: true,
      createPartitioner: Partitioners.DefaultPartitioner,
    });
    await producer.connect();
    producers.set(idempotent, producer);
  }
  return producers.get(idempotent);
}

async function send(producer, topic, messages, codec) {
  const offsets = new Array(messages.length);
  const next = new Map();
  // A call is one batch a partition; messages far apart in time or of great size go in calls of their own.
  for (let start = 0; start < messages.length; ) {
    let end = start;
    for (let size = 0; end < messages.length && end - start < 500; end++) {
      size += (messages[end].value ?? "").length;
      if (end > start && size > 900_000) break;
    }
    const part = messages.slice(start, end);
    const results = await producer.send({
      topic,
      acks: -1,
      compression: CODECS[codec],
      messages: part.map((message) => ({
        value: toBytes(message.value),
        key: toBytes(message.key),
        partition: message.partition,
        headers: toHeaders(message.headers),
        ...(message.timestamp === null ? {} : { timestamp: String(message.timestamp) }),
      })),
    });
    for (const result of results) next.set(result.partition, Number(result.baseOffset));
    part.forEach((message, index) => {
      offsets[start + index] = next.get(message.partition);
      next.set(message.partition, offsets[start + index] + 1);
    });
    start = end;
  }
  return offsets;
}

let member = null;
let assigned = [];
let received = [];
let failure = null;
let admin = null;

async function theAdmin() {
  if (admin === null) {
    admin = kafka.admin();
    await admin.connect();
  }
  return admin;
}

function check() {
  if (failure !== null) throw failure;
}

const operations = {
  async produce({ topic, messages, codec, idempotent }) {
    return send(await producerFor(idempotent), topic, messages, codec);
  },

  async produce_concurrently({ topic, producers: count, count: each }) {
    const one = async (number) => {
      const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
      await producer.connect();
      const messages = Array.from({ length: each }, (_, i) => ({
        value: `${number}:${i}`, key: null, headers: [], partition: 0, timestamp: null,
      }));
      await send(producer, topic, messages, "none");
      await producer.disconnect();
      return each;
    };
    const sent = await Promise.all(Array.from({ length: count }, (_, number) => one(number)));
    return sent.reduce((total, number) => total + number, 0);
  },

  async consume({ topic, starts, count }) {
    const consumer = kafka.consumer({
      groupId: `reader-${process.pid}-${process.hrtime.bigint()}`,
      maxBytesPerPartition: 2_000_000,
      maxWaitTimeInMs: 500,
    });
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    const found = [];
    try {
      await new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`${found.length} of ${count} messages came`)), TIMEOUT_MS);
        consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error));
        consumer.run({
          autoCommit: false,
          eachBatch: async ({ batch }) => {
            const start = starts.find(([partition]) => partition === batch.partition);
            if (start === undefined) return;
            for (const message of batch.messages) {
              if (Number(message.offset) >= start[1] && found.length < count) {
                found.push(toFields(batch.partition, message));
              }
            }
            if (found.length >= count) {
              clearTimeout(timer);
              resolve();
            }
          },
        });
        for (const [partition, offset] of starts) {
          if (offset >= 0) consumer.seek({ topic, partition, offset: String(offset) });
        }
      });
    } finally {
      await consumer.disconnect();
    }
    return found;
  },

  async offset_at({ topic, partition, timestamp }) {
    const found =
      timestamp < 0
        ? await (await theAdmin()).fetchTopicOffsets(topic)
        : await (await theAdmin()).fetchTopicOffsetsByTimestamp(topic, timestamp);
    const one = found.find((entry) => entry.partition === partition);
    return Number(timestamp === -2 ? one.low : one.offset);
  },

  async join({ group, topic }) {
    assigned = [];
    received = [];
    failure = null;
    member = kafka.consumer({ groupId: group, sessionTimeout: 6000, heartbeatInterval: 500, maxWaitTimeInMs: 100 });
    member.on(member.events.GROUP_JOIN, ({ payload }) => {
      assigned = payload.memberAssignment[topic] ?? [];
    });
    member.on(member.events.REBALANCING, () => {
      assigned = [];
    });
    member.on(member.events.CRASH, ({ payload }) => {
      if (!payload.restart) failure = payload.error;
    });
    await member.connect();
    await member.subscribe({ topic, fromBeginning: true });
    await member.run({
      eachBatchAutoResolve: false,
      eachBatch: async ({ batch, resolveOffset, commitOffsetsIfNecessary, uncommittedOffsets, heartbeat }) => {
        for (const message of batch.messages) {
          received.push(toFields(batch.partition, message));
          resolveOffset(message.offset);
        }
        await commitOffsetsIfNecessary(uncommittedOffsets());
        await heartbeat();
      },
    });
    return null;
  },

  async assigned() {
    check();
    return [...assigned].sort((a, b) => a - b);
  },

  async received() {
    check();
    return received;
  },

  async leave() {
    await member.disconnect();
    return null;
  },

  async create_topic({ topic, partitions, config, validate_only }) {
    const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }));
    const created = await (await theAdmin()).createTopics({
      validateOnly: validate_only,
      waitForLeaders: !validate_only,
      topics: [{ topic, numPartitions: partitions, replicationFactor: 1, configEntries }],
    });
    if (!created) throw new Error("the topic exists");
    return null;
  },

  async delete_topic({ topic }) {
    await (await theAdmin()).deleteTopics({ topics: [topic] });
    return null;
  },

  async add_partitions({ topic, partitions }) {
    await (await theAdmin()).createPartitions({ topicPartitions: [{ topic, count: partitions }] });
    return null;
  },

  async partition_count({ topic }) {
    const client = await theAdmin();
    if (!(await client.listTopics()).includes(topic)) return 0;
    const { topics } = await client.fetchTopicMetadata({ topics: [topic] });
    return topics[0].partitions.length;
  },

  async topic_config({ topic }) {
    const { resources } = await (await theAdmin()).describeConfigs({
      includeSynonyms: false,
      resources: [{ type: ConfigResourceTypes.TOPIC, name: topic }],
    });
    return Object.fromEntries(resources[0].configEntries.map((entry) => [entry.configName, entry.configValue]));
  },

  async alter_topic({ topic, name, value }) {
    await (await theAdmin()).alterConfigs({
      validateOnly: false,
      resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries: [{ name, value }] }],
    });
    return null;
  },

  async delete_records({ topic, partition, offset }) {
    const client = await theAdmin();
    await client.fetchTopicOffsets(topic); // kafkajs looks for the leader before it asks about the topic
    await client.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(offset) }] });
    const found = await client.fetchTopicOffsets(topic);
    return Number(found.find((entry) => entry.partition === partition).low);
  },

  async groups() {
    return (await (await theAdmin()).listGroups()).groups.map((group) => group.groupId);
  },

  async group_state({ group }) {
    const { groups } = await (await theAdmin()).describeGroups([group]);
    return { state: groups[0].state.toLowerCase(), members: groups[0].members.length };
  },

  async group_offsets({ group }) {
    const topics = await (await theAdmin()).fetchOffsets({ groupId: group });
    return Object.fromEntries(
      topics.flatMap(({ partitions }) => partitions.map((one) => [String(one.partition), Number(one.offset)])),
    );
  },

  async delete_group({ group }) {
    await (await theAdmin()).deleteGroups([group]);
    return null;
  },
};

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { op, ...command } = JSON.parse(line);
    let answer;
    try {
      answer = { result: (await operations[op](command)) ?? null };
    } catch (error) {
      answer = { error: `${error.name}: ${error.message} ${JSON.stringify(error.errors ?? error.partitions ?? "")}` };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
}

process.on("unhandledRejection", () => {}); // a consumer's crash is reported by its event
main().then(() => process.exit(0));
