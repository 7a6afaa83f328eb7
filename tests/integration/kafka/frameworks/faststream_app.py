"""A FastStream application: one handler doubles numbers into another topic, one collects them. Prints one a line."""

# mypy: disallow-untyped-decorators=False

import asyncio
import logging
import sys

from faststream import FastStream
from faststream.kafka import KafkaBroker

COUNT = 10


async def main(server: str, name: str) -> None:
    broker = KafkaBroker(server, logger=logging.getLogger("quiet"))
    app = FastStream(broker, logger=None)
    collected: list[int] = []

    @broker.subscriber(f"{name}-numbers", group_id=name, auto_offset_reset="earliest")
    @broker.publisher(f"{name}-doubled")
    async def double(number: int) -> int:
        return 2 * number

    @broker.subscriber(f"{name}-doubled", group_id=f"{name}-check", auto_offset_reset="earliest")
    async def collect(number: int) -> None:
        collected.append(number)
        if len(collected) == COUNT:
            app.exit()

    @app.after_startup
    async def feed() -> None:
        for number in range(COUNT):
            await broker.publish(number, f"{name}-numbers", key=b"k")

    await asyncio.wait_for(app.run(), 50)
    print(*collected, sep="\n")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
