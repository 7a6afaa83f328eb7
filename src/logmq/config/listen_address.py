"""Where the broker listens beside its port, and for whom: `kafka://0.0.0.0:9092`.

    any                   every protocol, as on the port
    text, kafka, http     that protocol alone

On an address for one protocol clients of the others are told so, if they understand words, and closed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

PROTOCOLS = ("any", "text", "kafka", "http")
_PORT_MAX = 65_535
_FORM = re.compile(
    r"(?P<protocol>[A-Za-z]+)://(?:\[(?P<bracketed>[0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|(?P<host>[^\s:/,@\[\]]+)):(?P<port>[0-9]{1,5})"
)


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """One place to listen; with port 0 the system chooses one."""

    protocol: str
    host: str
    port: int

    def __post_init__(self) -> None:
        assert self.protocol in PROTOCOLS, self.protocol
        assert 0 <= self.port <= _PORT_MAX, self.port

    @classmethod
    def parse(cls, text: str) -> ListenAddress:
        """The address in a text such as `kafka://0.0.0.0:9092` or `text://[::1]:8081`. Raises: ValueError."""
        match = _FORM.fullmatch(text)
        if match is None or match["protocol"].lower() not in PROTOCOLS or int(match["port"]) > _PORT_MAX:
            raise ValueError(text)
        host = match["bracketed"] or match["host"]
        if not host.isprintable():
            raise ValueError(text)
        return cls(match["protocol"].lower(), host, int(match["port"]))

    def __str__(self) -> str:
        return f"{self.protocol}://{show_address(self.host, self.port)}"


def show_address(host: str, port: int) -> str:
    """Host and port as one text; an IPv6 address takes brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
