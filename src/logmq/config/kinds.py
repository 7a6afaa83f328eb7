"""What may be written for a setting: each kind reads a text, shows a value, and says in words what it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from logmq.config.listen_address import ListenAddress, show_address
from logmq.config.quantities import HOUR, parse_duration, parse_size, parse_whole, show_duration, show_size
from logmq.config.sync_mode import SyncMode
from logmq.limits import GIB, KIB, LISTENER_COUNT_MAX

T = TypeVar("T")

_UNLIMITED = {"none", "unlimited", "-1"}
_INT64_MAX = (1 << 63) - 1
_MESSAGE_SIZE_LIMIT = GIB
"""A message is held in memory whole, by the broker and by its readers."""
_SEGMENT_SIZE_MIN = KIB
"""Each segment is a file with an index beside it: smaller ones would drown a directory."""


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """What may be written for a setting.

    `parse` raises ValueError for anything but what `allowed` describes; `show` writes a value so that `parse`
    reads it back. `unit` is what a plain number counts, empty where there is nothing to count. `several` says that
    a flag may be given more than once and that the file may hold a list: the same as commas between.
    """

    allowed: str
    parse: Callable[[str], T]
    show: Callable[[T], str]
    unit: str = ""
    several: bool = False


def _bounded(parse: Callable[[str], int], minimum: int, maximum: int) -> Callable[[str], int]:
    def parse_bounded(text: str) -> int:
        value = parse(text)
        if not minimum <= value <= maximum:
            raise ValueError(text)
        return value

    return parse_bounded


def number(minimum: int, maximum: int) -> Kind[int]:
    """A whole number in `[minimum, maximum]`."""
    return Kind(f"a whole number from {minimum} to {maximum}", _bounded(parse_whole, minimum, maximum), str)


def duration(minimum_ms: int, meaning_of_zero: str = "") -> Kind[int]:
    """A time in milliseconds; `meaning_of_zero` says what 0 does where it means something of its own."""
    least = f" of at least {show_duration(minimum_ms)}," if minimum_ms else ""
    allowed = f"a time{least} such as 100ms, 30s, 10m or 7d"
    if meaning_of_zero:
        allowed += f", or 0 for {meaning_of_zero}"
    return Kind(allowed, _bounded(parse_duration, minimum_ms, _INT64_MAX), show_duration, "ms")


def size(minimum: int, maximum: int = _INT64_MAX) -> Kind[int]:
    """A size in bytes, in `[minimum, maximum]`."""
    bounds = f" of at least {show_size(minimum)}," if minimum else ""
    if maximum != _INT64_MAX:
        bounds = f" from {show_size(minimum)} to {show_size(maximum)},"
    allowed = f"a size{bounds} such as 4096, 64MB or 1GiB"
    return Kind(allowed, _bounded(parse_size, minimum, maximum), show_size, "bytes")


def limit(kind: Kind[int]) -> Kind[int | None]:
    """A quantity of some kind, or None for as much as you like."""

    def parse(text: str) -> int | None:
        return None if text.lower() in _UNLIMITED else kind.parse(text)

    def show(value: int | None) -> str:
        return "none" if value is None else kind.show(value)

    return Kind(f"{kind.allowed}, or none (-1) for without limit", parse, show, kind.unit)


def choice(*choices: str) -> Kind[str]:
    """One of a few words in lower case; it may be written in any case."""

    def parse(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError(text)
        return text.lower()

    return Kind(f"one of {', '.join(choices)}", parse, str)


def exact_choice(*choices: str) -> Kind[str]:
    """A choice whose spelling is Kafka's; it may be written in any case."""
    by_lower = {choice.lower(): choice for choice in choices}

    def parse(text: str) -> str:
        choice = by_lower.get(text.lower())
        if choice is None:
            raise ValueError(text)
        return choice

    return Kind(f"one of {', '.join(choices)}", parse, str)


def _parse_policies(text: str) -> str:
    policies = [policy.strip().lower() for policy in text.split(",")]
    if not set(policies) <= {"compact", "delete"} or len(policies) != len(set(policies)):
        raise ValueError(text)
    return ",".join(policies)


def _parse_sync(text: str) -> SyncMode:
    if text.lower() in {"always", "never"}:
        return SyncMode(text.lower())
    return SyncMode.every(_bounded(parse_duration, 1, HOUR)(text))


def _parse_truth(text: str) -> bool:
    truths = {"true": True, "yes": True, "on": True, "1": True}
    lies = {"false": False, "no": False, "off": False, "0": False}
    try:
        return {**truths, **lies}[text.lower()]
    except KeyError:
        raise ValueError(text) from None


def _parse_host(text: str) -> str:
    if not text or not text.isprintable() or " " in text:
        raise ValueError(text)
    return text


def _parse_directory(text: str) -> Path:
    if not text or "\0" in text:
        raise ValueError(text)
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ValueError(text) from error


def _parse_file(text: str) -> Path | None:
    return None if text.lower() == "none" else _parse_directory(text)


def _parse_address(text: str) -> str | None:
    if text.lower() == "none":
        return None
    if "://" not in text or not text.isprintable() or " " in text:
        raise ValueError(text)
    return text


def _parse_listen(text: str) -> tuple[ListenAddress, ...]:
    if text.lower() == "none":
        return ()
    addresses = [ListenAddress.parse(part.strip()) for part in text.split(",")]
    chosen = [(address.host, address.port) for address in addresses if address.port]
    if len(chosen) != len(set(chosen)) or len(addresses) > LISTENER_COUNT_MAX:
        raise ValueError(text)
    return tuple(addresses)


def _show_listen(addresses: tuple[ListenAddress, ...]) -> str:
    return ",".join(map(str, addresses)) or "none"


def _parse_names(text: str) -> tuple[str, ...]:
    if text.lower() == "none":
        return ()
    names = [name.strip() for name in text.split(",")]
    if not all(name and name.isprintable() and " " not in name for name in names):
        raise ValueError(text)
    return tuple(names)


def _show_names(names: tuple[str, ...]) -> str:
    return ",".join(names) or "none"


def _parse_advertise(text: str) -> tuple[str, int] | None:
    if text.lower() == "none":
        return None
    address = ListenAddress.parse(f"any://{text}")
    if not address.port:
        raise ValueError(text)
    return address.host, address.port


def _show_advertise(address: tuple[str, int] | None) -> str:
    return "none" if address is None else show_address(*address)


HOST = Kind("a host name or address such as 127.0.0.1, ::1 or 0.0.0.0", _parse_host, str)
LISTEN = Kind(
    "addresses such as kafka://0.0.0.0:9092 with commas between, each once and each for any, text, kafka or http",
    _parse_listen,
    _show_listen,
    several=True,
)
HOSTS = Kind("host names with commas between, * for any, or none", _parse_names, _show_names, several=True)
ORIGINS = Kind(
    "origins such as https://app.example.com with commas between, * for any, or none",
    _parse_names,
    _show_names,
    several=True,
)
ADDRESS: Kind[str | None] = Kind(
    "an address such as etcd://host:2379/name or s3://bucket, or none", _parse_address, lambda value: value or "none"
)
ADVERTISE = Kind("an address such as broker.example.com:9092, or none", _parse_advertise, _show_advertise)
DIRECTORY = Kind("a directory", _parse_directory, str)
FILE: Kind[Path | None] = Kind("a file, or none", _parse_file, lambda value: str(value or "none"))
SYNC = Kind("always, never, or an interval from 1ms to 1h such as 100ms", _parse_sync, str)
TRUTH = Kind("true or false", _parse_truth, lambda value: str(value).lower())
RETENTION_TIME = limit(duration(0))
RETENTION_SIZE = limit(size(0))
SEGMENT_SIZE = size(_SEGMENT_SIZE_MIN)
MESSAGE_SIZE = size(1, _MESSAGE_SIZE_LIMIT)
TIMESTAMP_TYPE = exact_choice("CreateTime", "LogAppendTime")
CLEANUP_POLICY = Kind("delete, compact, or both with a comma between", _parse_policies, str)
