// The Java client, which defines how the protocol is meant. Run as a single source file: `java -cp 'jars/*' JavaDriver.java`.
// See driver.py for what the operations must do.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public class JavaDriver {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int TIMEOUT_MS = 25_000;

    private final String address;
    private final Map<String, KafkaProducer<byte[], byte[]>> producers = new HashMap<>();
    private Admin admin;
    private Thread member;
    private volatile boolean leaving;
    private volatile Exception failure;
    private final Set<Integer> assigned = new TreeSet<>();
    private final List<ConsumerRecord<byte[], byte[]>> received = new ArrayList<>();

    JavaDriver(String address) {
        this.address = address;
    }

    // -- records ------------------------------------------------------------------------------------------------------

    private KafkaProducer<byte[], byte[]> newProducer(String codec, boolean idempotent) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", address);
        settings.put("compression.type", codec);
        settings.put("enable.idempotence", Boolean.toString(idempotent));
        settings.put("acks", "all");
        settings.put("linger.ms", "2");
        settings.put("max.request.size", "2000000");
        settings.put("delivery.timeout.ms", "40000");
        settings.put("request.timeout.ms", "10000");
        return new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
    }

    private static List<Long> send(KafkaProducer<byte[], byte[]> producer, String topic, JsonNode messages) throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (JsonNode message : messages) {
            List<Header> headers = new ArrayList<>();
            for (JsonNode header : message.get("headers")) {
                headers.add(new RecordHeader(header.get(0).asText(), bytes(header.get(1))));
            }
            Long timestamp = message.get("timestamp").isNull() ? null : message.get("timestamp").asLong();
            sent.add(producer.send(new ProducerRecord<>(topic, message.get("partition").asInt(), timestamp,
                bytes(message.get("key")), bytes(message.get("value")), headers)));
        }
        producer.flush();
        List<Long> offsets = new ArrayList<>();
        for (Future<RecordMetadata> one : sent) {
            offsets.add(one.get().offset());
        }
        return offsets;
    }

    private Object produceConcurrently(String topic, int count, int each) throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(count);
        List<Future<Integer>> results = new ArrayList<>();
        for (int number = 0; number < count; number++) {
            ArrayNode messages = JSON.createArrayNode();
            for (int i = 0; i < each; i++) {
                ObjectNode message = messages.addObject();
                message.put("value", number + ":" + i).putNull("key").put("partition", 0).putNull("timestamp");
                message.putArray("headers");
            }
            Callable<Integer> one = () -> {
                try (KafkaProducer<byte[], byte[]> producer = newProducer("none", false)) {
                    return send(producer, topic, messages).size();
                }
            };
            results.add(pool.submit(one));
        }
        int total = 0;
        for (Future<Integer> result : results) {
            total += result.get();
        }
        pool.shutdown();
        return total;
    }

    private KafkaConsumer<byte[], byte[]> newConsumer(Map<String, String> more) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", address);
        settings.put("enable.auto.commit", "false");
        settings.put("max.partition.fetch.bytes", "2000000");
        settings.putAll(more);
        return new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private Object consume(String topic, JsonNode starts, int count) {
        try (KafkaConsumer<byte[], byte[]> consumer = newConsumer(Map.of())) {
            List<TopicPartition> partitions = new ArrayList<>();
            starts.forEach(start -> partitions.add(new TopicPartition(topic, start.get(0).asInt())));
            consumer.assign(partitions);
            for (JsonNode start : starts) {
                TopicPartition where = new TopicPartition(topic, start.get(0).asInt());
                if (start.get(1).asLong() < 0) {
                    consumer.seekToBeginning(List.of(where));
                } else {
                    consumer.seek(where, start.get(1).asLong());
                }
            }
            ArrayNode found = JSON.createArrayNode();
            long deadline = System.currentTimeMillis() + TIMEOUT_MS;
            while (found.size() < count) {
                if (System.currentTimeMillis() > deadline) {
                    throw new IllegalStateException(found.size() + " of " + count + " messages came");
                }
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
                    if (found.size() < count) {
                        found.add(fields(record));
                    }
                }
            }
            return found;
        }
    }

    private Object offsetAt(String topic, int partition, long timestamp) {
        try (KafkaConsumer<byte[], byte[]> consumer = newConsumer(Map.of())) {
            TopicPartition where = new TopicPartition(topic, partition);
            if (timestamp == -2) {
                return consumer.beginningOffsets(List.of(where)).get(where);
            }
            if (timestamp == -1) {
                return consumer.endOffsets(List.of(where)).get(where);
            }
            var found = consumer.offsetsForTimes(Map.of(where, timestamp)).get(where);
            return found == null ? -1 : found.offset();
        }
    }

    // -- groups -------------------------------------------------------------------------------------------------------

    private Object join(String group, String topic, String protocol, JsonNode instanceId) {
        Map<String, String> settings = new HashMap<>();
        settings.put("group.id", group);
        settings.put("auto.offset.reset", "earliest");
        settings.put("group.protocol", protocol);
        if (protocol.equals("classic")) {
            settings.put("session.timeout.ms", "6000");
            settings.put("heartbeat.interval.ms", "500");
        }
        if (!instanceId.isNull()) {
            settings.put("group.instance.id", instanceId.asText());
        }
        synchronized (this) {
            assigned.clear();
            received.clear();
        }
        leaving = false;
        failure = null;
        member = new Thread(() -> read(settings, topic));
        member.setDaemon(true);
        member.start();
        return null;
    }

    private void read(Map<String, String> settings, String topic) {
        try (KafkaConsumer<byte[], byte[]> consumer = newConsumer(settings)) {
            consumer.subscribe(List.of(topic), new ConsumerRebalanceListener() {
                @Override
                public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
                    synchronized (JavaDriver.this) {
                        partitions.forEach(one -> assigned.remove(one.partition()));
                    }
                }

                @Override
                public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
                    synchronized (JavaDriver.this) {
                        partitions.forEach(one -> assigned.add(one.partition()));
                    }
                }
            });
            while (!leaving) {
                var records = consumer.poll(Duration.ofMillis(50));
                synchronized (this) {
                    records.forEach(received::add);
                }
                if (!records.isEmpty()) {
                    consumer.commitSync();
                }
            }
        } catch (Exception error) {
            failure = error;
        }
    }

    private void check() throws Exception {
        if (failure != null) {
            throw failure;
        }
    }

    private Object leave() throws Exception {
        leaving = true;
        member.join(TIMEOUT_MS);
        check();
        return null;
    }

    // -- admin --------------------------------------------------------------------------------------------------------

    private Admin admin() {
        if (admin == null) {
            admin = Admin.create(Map.of("bootstrap.servers", address));
        }
        return admin;
    }

    private Object createTopic(JsonNode command) throws Exception {
        Map<String, String> config = new HashMap<>();
        command.get("config").fields().forEachRemaining(entry -> config.put(entry.getKey(), entry.getValue().asText()));
        NewTopic topic = new NewTopic(command.get("topic").asText(), command.get("partitions").asInt(), (short) 1);
        CreateTopicsOptions options = new CreateTopicsOptions().validateOnly(command.get("validate_only").asBoolean());
        admin().createTopics(List.of(topic.configs(config)), options).all().get();
        return null;
    }

    private Object partitionCount(String topic) throws Exception {
        if (!admin().listTopics().names().get().contains(topic)) {
            return 0;
        }
        return admin().describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size();
    }

    private Object topicConfig(String topic) throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        Map<String, String> values = new HashMap<>();
        for (ConfigEntry entry : admin().describeConfigs(List.of(resource)).all().get().get(resource).entries()) {
            values.put(entry.name(), entry.value());
        }
        return values;
    }

    private Object alterTopic(String topic, String name, String value) throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        AlterConfigOp set = new AlterConfigOp(new ConfigEntry(name, value), AlterConfigOp.OpType.SET);
        admin().incrementalAlterConfigs(Map.of(resource, List.of(set))).all().get();
        return null;
    }

    private Object groupState(String group) throws Exception {
        var described = admin().describeConsumerGroups(List.of(group)).all().get().get(group);
        return Map.of("state", described.groupState().name().toLowerCase(), "members", described.members().size());
    }

    private Object groupOffsets(String group) throws Exception {
        Map<String, Long> offsets = new HashMap<>();
        admin().listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get()
            .forEach((where, offset) -> offsets.put(Integer.toString(where.partition()), offset.offset()));
        return offsets;
    }

    // -- commands -----------------------------------------------------------------------------------------------------

    private Object carryOut(JsonNode command) throws Exception {
        String topic = command.path("topic").asText();
        String group = command.path("group").asText();
        switch (command.get("op").asText()) {
            case "produce": {
                String codec = command.get("codec").asText();
                boolean idempotent = command.get("idempotent").asBoolean();
                return send(producers.computeIfAbsent(codec + idempotent, key -> newProducer(codec, idempotent)), topic,
                    command.get("messages"));
            }
            case "produce_concurrently":
                return produceConcurrently(topic, command.get("producers").asInt(), command.get("count").asInt());
            case "consume":
                return consume(topic, command.get("starts"), command.get("count").asInt());
            case "offset_at":
                return offsetAt(topic, command.get("partition").asInt(), command.get("timestamp").asLong());
            case "join":
                return join(group, topic, command.get("protocol").asText(), command.get("instance_id"));
            case "assigned":
                check();
                synchronized (this) {
                    return new ArrayList<>(assigned);
                }
            case "received":
                check();
                synchronized (this) {
                    return received.stream().map(JavaDriver::fields).toList();
                }
            case "leave":
                return leave();
            case "create_topic":
                return createTopic(command);
            case "delete_topic":
                return admin().deleteTopics(List.of(topic)).all().get();
            case "add_partitions":
                return admin().createPartitions(
                    Map.of(topic, NewPartitions.increaseTo(command.get("partitions").asInt()))).all().get();
            case "partition_count":
                return partitionCount(topic);
            case "topic_config":
                return topicConfig(topic);
            case "alter_topic":
                return alterTopic(topic, command.get("name").asText(), command.get("value").asText());
            case "delete_records": {
                TopicPartition where = new TopicPartition(topic, command.get("partition").asInt());
                RecordsToDelete before = RecordsToDelete.beforeOffset(command.get("offset").asLong());
                return admin().deleteRecords(Map.of(where, before)).lowWatermarks().get(where).get().lowWatermark();
            }
            case "groups":
                return admin().listGroups().all().get().stream().map(one -> one.groupId()).toList();
            case "group_state":
                return groupState(group);
            case "group_offsets":
                return groupOffsets(group);
            case "delete_group":
                return admin().deleteConsumerGroups(List.of(group)).all().get();
            default:
                throw new IllegalArgumentException("no operation " + command.get("op"));
        }
    }

    private static ObjectNode fields(ConsumerRecord<byte[], byte[]> record) {
        ObjectNode node = JSON.createObjectNode();
        node.put("value", text(record.value())).put("key", text(record.key())).put("partition", record.partition());
        node.put("timestamp", record.timestamp()).put("offset", record.offset());
        ArrayNode headers = node.putArray("headers");
        record.headers().forEach(header -> headers.addArray().add(header.key()).add(text(header.value())));
        return node;
    }

    private static String text(byte[] data) {
        return data == null ? null : new String(data, StandardCharsets.ISO_8859_1);
    }

    private static byte[] bytes(JsonNode text) {
        return text.isNull() ? null : text.asText().getBytes(StandardCharsets.ISO_8859_1);
    }

    public static void main(String[] arguments) throws Exception {
        JavaDriver driver = new JavaDriver(arguments[0]);
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            Map<String, Object> answer = new HashMap<>();
            try {
                answer.put("result", driver.carryOut(JSON.readTree(line)));
            } catch (Exception error) {
                answer.put("error", error.toString());
            }
            out.println(JSON.writeValueAsString(answer));
        }
        System.exit(0);
    }
}
