"""Members of a consumer group: python member.py PORT GROUP TOPIC COUNT. They stay until their input ends."""

import sys
import threading

from confluent_kafka import Consumer


def main(port: str, group: str, topic: str, count: int) -> None:
    members = [
        Consumer(
            {
                "bootstrap.servers": f"127.0.0.1:{port}",
                "group.id": group,
                "client.id": f"{group}-{number}",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
            }
        )
        for number in range(1, count + 1)
    ]
    over = threading.Event()

    def await_end() -> None:
        sys.stdin.read()
        over.set()

    threading.Thread(target=await_end, daemon=True).start()
    for member in members:
        member.subscribe([topic])
    told = False
    while not over.is_set():
        for number, member in enumerate(members):
            message = member.poll(0.1)
            if message is not None and message.error() is None and message.offset() < 60 + 90 * number:
                member.commit(message, asynchronous=True)
        if not told and all(member.assignment() for member in members):
            told = True
            print("assigned", flush=True)
    for member in members:
        member.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
