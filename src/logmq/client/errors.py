"""What a client can run into, by what the caller does next.

    ClientError
    ├── CannotConnect      no broker answers there: start it, or correct the address
    ├── ConnectionLost     the outcome of what was under way is unknown: connect again and look
    ├── ProtocolViolation  what answers there is not a LogMQ broker (or a bug on either side)
    └── ServerError        the broker refused; `code` says why, the connection stays usable
        └── ProduceError   the broker refused some messages of many; `results` says which

These are not errors of the broker, so they do not derive from `LogMQError`, whose every kind has a code in each
protocol. A topic or group name that cannot be sent at all raises the `RequestError` that the broker would use.
"""

from __future__ import annotations

from collections.abc import Sequence


class ClientError(Exception):
    """The root of what the client raises."""


class CannotConnect(ClientError):
    """No connection came about."""

    def __init__(self, server: str, reason: str) -> None:
        super().__init__(f"cannot reach a broker at {server}: {reason}")
        self.server = server
        self.reason = reason


class ConnectionLost(ClientError):
    """The connection ended; whether requests under way were carried out is unknown."""


class ProtocolViolation(ClientError):
    """An answer does not follow the text protocol; the connection was closed."""


class ServerError(ClientError):
    """The broker answered `ERR <code> <reason>`."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{reason} ({code})")
        self.code = code
        self.reason = reason


class ProduceError(ServerError):
    """Of many messages some were refused: `code` and `reason` are the first one's.

    `results` has an entry for each message that was sent, in order: its offset, or why it was refused. Messages
    beyond its length were not sent.
    """

    def __init__(self, results: Sequence[int | ServerError]) -> None:
        index, first = next((i, each) for i, each in enumerate(results) if isinstance(each, ServerError))
        super().__init__(first.code, first.reason)
        self.results = tuple(results)
        self.first_refused = index

    def __str__(self) -> str:
        stored = sum(isinstance(each, int) for each in self.results)
        return f"message {self.first_refused + 1} was refused: {super().__str__()}; {stored} were stored"
