"""Talking to a broker from Python: `connect` for asyncio, `Client` for programs without an event loop.

async with logmq.client.connect("127.0.0.1:8080") as connection:
    offset = await connection.produce("orders", b"one")
    async for message in connection.follow("orders", offset):
        print(message.offset, message.payload)
"""

from logmq.client.address import Address, parse_address
from logmq.client.blocking import Client
from logmq.client.connection import Connection, GroupDescription, GroupMember, TopicDescription, connect
from logmq.client.errors import (
    CannotConnect,
    ClientError,
    ConnectionLost,
    ProduceError,
    ProtocolViolation,
    ServerError,
)
from logmq.client.replies import GroupOffset, GroupSummary, Message, PartitionSummary, SettingValue, TopicSummary
from logmq.client.streams import MessageStream

__all__ = [
    "Address",
    "CannotConnect",
    "Client",
    "ClientError",
    "Connection",
    "ConnectionLost",
    "GroupDescription",
    "GroupMember",
    "GroupOffset",
    "GroupSummary",
    "Message",
    "MessageStream",
    "PartitionSummary",
    "ProduceError",
    "ProtocolViolation",
    "ServerError",
    "SettingValue",
    "TopicDescription",
    "TopicSummary",
    "connect",
    "parse_address",
]
