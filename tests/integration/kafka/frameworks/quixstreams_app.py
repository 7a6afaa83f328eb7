"""A Quix Streams application: running totals, whose state lives in a changelog topic. Prints one total a line."""

import sys
import tempfile

from confluent_kafka import Consumer
from quixstreams import Application
from quixstreams.state import State

COUNT = 10


def main(server: str, name: str) -> None:
    with tempfile.TemporaryDirectory() as state:
        app = Application(
            broker_address=server,
            consumer_group=name,
            auto_offset_reset="earliest",
            state_dir=state,
            loglevel="WARNING",
        )
        source = app.topic(f"{name}-numbers", value_deserializer="json")
        totals = app.topic(f"{name}-totals", value_serializer="json")

        def add(value: dict[str, int], state: State) -> dict[str, int]:
            total = int(state.get("total", 0)) + value["n"]
            state.set("total", total)
            return {"total": total}

        app.dataframe(source).apply(add, stateful=True).to_topic(totals)
        with app.get_producer() as producer:
            for number in range(COUNT):
                producer.produce(topic=source.name, key=b"k", value=b'{"n": %d}' % number)
        app.run(count=COUNT, timeout=40)
    consumer = Consumer({"bootstrap.servers": server, "group.id": f"{name}-check", "auto.offset.reset": "earliest"})
    consumer.subscribe([totals.name])
    for message in consumer.consume(COUNT, timeout=20):
        print(message.value().decode())
    consumer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
