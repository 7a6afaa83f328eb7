"""The settings: one table for the broker, one for topics, and how their values are read.

    flags  >  LOGMQ_* environment  >  logmq.toml  >  defaults       the first source that names a setting wins

`Config` is the broker's table: each field has its kind (what may be written), its default and its meaning
beside it, and everything else (flags, variables, keys of the file, docs/settings.md) follows from it. A value
is text in every source, in the unit that the setting's name ends with or with a unit of its own: `7d`,
`100ms`, `1GiB`, `64MB`, `4096`.

Nothing is guessed: an unknown key, an unknown LOGMQ_ variable or a value out of range stops the start with an
`InvalidConfig` that says where it stands and what may stand there.
"""

# ruff: noqa: RUF009 - `_setting` makes a dataclass field, whatever it returns to the type checker.

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from fractions import Fraction
from pathlib import Path
from typing import Any, Generic, TypeVar

from logmq.errors import InvalidConfig, InvalidSetting
from logmq.limits import GIB, JOURNAL_FIRST_FILE_SIZE, KIB, MIB, PARTITION_COUNT_MAX
from logmq.model import SettingValue, TopicSettings

T = TypeVar("T")

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_DURATION_UNITS = {"": 1, "ms": 1, "s": SECOND, "m": MINUTE, "min": MINUTE, "h": HOUR, "d": DAY}
_SIZE_UNITS = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "kib": KIB,
    "mb": 10**6,
    "mib": MIB,
    "gb": 10**9,
    "gib": GIB,
    "tb": 10**12,
    "tib": 1024 * GIB,
}
_QUANTITY = re.compile(r"(-?[0-9]{1,19}(?:\.[0-9]{1,9})?) ?([A-Za-z]*)")
_UNLIMITED = {"none", "unlimited", "-1"}
_INT64_MAX = (1 << 63) - 1
_MESSAGE_SIZE_LIMIT = GIB
"""A message is held in memory whole, by the broker and by its readers."""
_SEGMENT_SIZE_MIN = KIB
"""Each segment is a file with an index beside it: smaller ones would drown a directory."""


# -- values --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SyncMode:
    """When appends reach the disk, and with that what an acknowledgement promises.

    `always`: acknowledged once the disk holds it. An interval: acknowledged at once, the disk holds it
    `interval_ms` later at most. `never`: acknowledged at once, the operating system writes when it likes.
    """

    name: str
    interval_ms: int | None = None

    def __post_init__(self) -> None:
        assert self.name in {"always", "interval", "never"}, self.name
        assert (self.name == "interval") == (self.interval_ms is not None), self
        assert self.interval_ms is None or self.interval_ms > 0, self

    @classmethod
    def every(cls, interval_ms: int) -> SyncMode:
        """Acknowledge at once, sync every `interval_ms`."""
        return cls("interval", interval_ms)

    def __str__(self) -> str:
        return self.name if self.interval_ms is None else show_duration(self.interval_ms)


SYNC_ALWAYS = SyncMode("always")
SYNC_NEVER = SyncMode("never")


def parse_duration(text: str) -> int:
    """Milliseconds in a text such as `100ms`, `30s`, `10m`, `12h`, `7d`, `250`. Raises: ValueError."""
    return _parse_quantity(text, _DURATION_UNITS)


def parse_size(text: str) -> int:
    """Bytes in a text such as `1GiB` (1024s), `64MB` (1000s), `4096`. Raises: ValueError."""
    return _parse_quantity(text, _SIZE_UNITS)


def show_duration(duration_ms: int) -> str:
    """Milliseconds as the shortest text that `parse_duration` reads back exactly."""
    return _show_quantity(duration_ms, {"d": DAY, "h": HOUR, "m": MINUTE, "s": SECOND}, "ms")


def show_size(size: int) -> str:
    """Bytes as the shortest text that `parse_size` reads back exactly."""
    return _show_quantity(size, {"TiB": 1024 * GIB, "GiB": GIB, "MiB": MIB, "KiB": KIB}, "")


def _parse_quantity(text: str, units: Mapping[str, int]) -> int:
    match = _QUANTITY.fullmatch(text)
    unit = None if match is None else units.get(match[2].lower())
    if match is None or unit is None:
        raise ValueError(text)
    quantity = Fraction(match[1]) * unit
    if quantity.denominator != 1:
        raise ValueError(text)
    return quantity.numerator


def _show_quantity(quantity: int, units: Mapping[str, int], base: str) -> str:
    for unit, size in units.items():
        if quantity and quantity % size == 0:
            return f"{quantity // size}{unit}"
    return f"{quantity}{base}" if quantity else "0"


# -- kinds ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """What may be written for a setting.

    `parse` raises ValueError for anything but what `allowed` describes; `show` writes a value so that `parse`
    reads it back. `unit` is what a plain number counts, empty where there is nothing to count.
    """

    allowed: str
    parse: Callable[[str], T]
    show: Callable[[T], str]
    unit: str = ""


def _bounded(parse: Callable[[str], int], minimum: int, maximum: int) -> Callable[[str], int]:
    def parse_bounded(text: str) -> int:
        value = parse(text)
        if not minimum <= value <= maximum:
            raise ValueError(text)
        return value

    return parse_bounded


def _whole(text: str) -> int:
    return _parse_quantity(text, {"": 1})


def _number(minimum: int, maximum: int) -> Kind[int]:
    return Kind(f"a whole number from {minimum} to {maximum}", _bounded(_whole, minimum, maximum), str)


def _duration(minimum_ms: int, meaning_of_zero: str = "") -> Kind[int]:
    least = f" of at least {show_duration(minimum_ms)}," if minimum_ms else ""
    allowed = f"a time{least} such as 100ms, 30s, 10m or 7d"
    if meaning_of_zero:
        allowed += f", or 0 for {meaning_of_zero}"
    return Kind(allowed, _bounded(parse_duration, minimum_ms, _INT64_MAX), show_duration, "ms")


def _size(minimum: int, maximum: int = _INT64_MAX) -> Kind[int]:
    bounds = f" of at least {show_size(minimum)}," if minimum else ""
    if maximum != _INT64_MAX:
        bounds = f" from {show_size(minimum)} to {show_size(maximum)},"
    allowed = f"a size{bounds} such as 4096, 64MB or 1GiB"
    return Kind(allowed, _bounded(parse_size, minimum, maximum), show_size, "bytes")


def _limit(kind: Kind[int]) -> Kind[int | None]:
    def parse(text: str) -> int | None:
        return None if text.lower() in _UNLIMITED else kind.parse(text)

    def show(value: int | None) -> str:
        return "none" if value is None else kind.show(value)

    return Kind(f"{kind.allowed}, or none (-1) for without limit", parse, show, kind.unit)


def _choice(*choices: str) -> Kind[str]:
    def parse(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError(text)
        return text.lower()

    return Kind(f"one of {', '.join(choices)}", parse, str)


def _exact_choice(*choices: str) -> Kind[str]:
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


_DATA_DIR = Path("data")
_HOST = Kind("a host name or address such as 127.0.0.1, ::1 or 0.0.0.0", _parse_host, str)
_DIRECTORY = Kind("a directory", _parse_directory, str)
_SYNC = Kind("always, never, or an interval from 1ms to 1h such as 100ms", _parse_sync, str)
_TRUTH = Kind("true or false", _parse_truth, lambda value: str(value).lower())
_RETENTION_TIME = _limit(_duration(0))
_RETENTION_SIZE = _limit(_size(0))
_SEGMENT_SIZE = _size(_SEGMENT_SIZE_MIN)
_MESSAGE_SIZE = _size(1, _MESSAGE_SIZE_LIMIT)
_TIMESTAMP_TYPE = _exact_choice("CreateTime", "LogAppendTime")
_CLEANUP_POLICY = Kind("delete, compact, or both with a comma between", _parse_policies, str)


# -- the broker's settings -----------------------------------------------------------------------------------


def _setting(default: T, kind: Kind[T], meaning: str) -> T:
    return field(default=default, metadata={"kind": kind, "meaning": meaning})


@dataclass(frozen=True, slots=True)
class Config:
    """The broker's settings; `Config()` holds the defaults. Times in milliseconds, sizes in bytes."""

    host: str = _setting("127.0.0.1", _HOST, "address to listen on; 0.0.0.0 is every interface")
    port: int = _setting(8080, _number(0, 65535), "TCP port to listen on; 0 lets the system choose")
    data_dir: Path = _setting(_DATA_DIR, _DIRECTORY, "directory that holds everything; one process at a time")
    sync: SyncMode = _setting(SYNC_ALWAYS, _SYNC, "when appends are synced to disk; see docs/guarantees.md")
    retention_ms: int | None = _setting(None, _RETENTION_TIME, "age at which a topic's old segments are deleted")
    retention_bytes: int | None = _setting(
        None, _RETENTION_SIZE, "size of a partition above which its oldest segments are deleted"
    )
    segment_size_bytes: int = _setting(GIB, _SEGMENT_SIZE, "size at which a log goes on in a new segment")
    message_size_max_bytes: int = _setting(MIB, _MESSAGE_SIZE, "largest message a topic takes")
    message_timestamp_type: str = _setting(
        "CreateTime", _TIMESTAMP_TYPE, "whose clock dates a record: its producer's, or LogAppendTime the broker's"
    )
    cleanup_policy: str = _setting(
        "delete",
        _CLEANUP_POLICY,
        "what becomes of old records; compact alone keeps all of them: nothing is compacted yet",
    )
    partition_count: int = _setting(1, _number(1, PARTITION_COUNT_MAX), "partitions of a new topic")
    auto_create_topics: bool = _setting(True, _TRUTH, "whether the first message to a topic creates it")
    connections_max: int = _setting(10_000, _number(1, 1_000_000), "connections at a time; more are refused")
    append_queue_size_bytes: int = _setting(
        64 * MIB, _size(MIB), "bytes of all clients that wait for the disk; beyond it reading pauses"
    )
    connection_queue_size_bytes: int = _setting(
        4 * MIB, _size(64 * KIB), "bytes of one client that wait for the disk; beyond it reading pauses"
    )
    kafka_request_size_max_bytes: int = _setting(
        100 * MIB, _size(KIB), "largest Kafka request; a larger one ends its connection"
    )
    group_initial_rebalance_delay_ms: int = _setting(
        0, _duration(0, "no wait"), "time that the first member of a consumer group waits for others"
    )
    consumer_session_timeout_ms: int = _setting(
        45 * SECOND, _duration(SECOND), "silence after which a member of a consumer group (KIP-848) is taken for dead"
    )
    consumer_heartbeat_interval_ms: int = _setting(
        5 * SECOND, _duration(100), "time between two heartbeats of such a member: it learns of changes by them"
    )
    offsets_retention_ms: int | None = _setting(
        7 * DAY, _limit(_duration(1)), "age at which the offsets of a group without members are forgotten"
    )
    idle_timeout_ms: int = _setting(
        10 * MINUTE, _duration(0, "never"), "silence after which a connection is closed; FOLLOW is never idle"
    )
    detect_timeout_ms: int = _setting(
        10 * SECOND, _duration(1), "wait for the first bytes of a connection before it is taken for text"
    )
    write_body_timeout_ms: int = _setting(30 * SECOND, _duration(1), "time that the bytes of a WRITE may take")
    slow_reader_timeout_ms: int = _setting(
        60 * SECOND, _duration(1), "time a client may leave its answers unread before it is dropped"
    )
    drain_timeout_ms: int = _setting(
        10 * SECOND, _duration(0, "no wait"), "time open requests get to finish when the broker stops"
    )
    journal_file_size_bytes: int = _setting(64 * MIB, _size(JOURNAL_FIRST_FILE_SIZE), "size of one journal file")
    checkpoint_interval_ms: int = _setting(
        MINUTE, _duration(SECOND), "time between checkpoints, which bound how much recovery reads"
    )
    retention_check_interval_ms: int = _setting(
        30 * SECOND, _duration(100), "time between two looks for segments past their retention"
    )
    producer_id_expiration_ms: int = _setting(
        DAY, _duration(MINUTE), "silence after which a partition forgets an idempotent producer"
    )
    log_level: str = _setting("info", _choice("debug", "info", "warning", "error"), "least level that is logged")
    log_format: str = _setting(
        "auto", _choice("text", "json", "auto"), "form of log lines; auto: text on a terminal, else json"
    )


@dataclass(frozen=True, slots=True)
class Setting(Generic[T]):
    """One row of the table: a setting's name, kind, default and meaning."""

    name: str
    kind: Kind[T]
    default: T
    meaning: str

    @property
    def flag(self) -> str:
        """The setting as a flag of `logmq serve`."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The setting as an environment variable."""
        return "LOGMQ_" + self.name.upper()

    @property
    def default_text(self) -> str:
        """The default as a person would write it."""
        return self.kind.show(self.default)


SETTINGS: Mapping[str, Setting[Any]] = {
    each.name: Setting(each.name, each.metadata["kind"], each.default, each.metadata["meaning"])
    for each in fields(Config)
}

_CONFIG_VARIABLE = "LOGMQ_CONFIG"
_OTHER_VARIABLES = frozenset({_CONFIG_VARIABLE, "LOGMQ_SERVER"})
"""Variables of ours that are no settings of the broker: they must not stop it."""

_CONFIG_FILE = Path("logmq.toml")


def load_config(flags: Mapping[str, object], environ: Mapping[str, str], file: Path | None = None) -> Config:
    """The settings in force.

    `flags` are by setting name, None means not given; they go before `environ`, a file and the defaults.
    The file is `file`, else the one that LOGMQ_CONFIG names, else a `logmq.toml` in the working directory.

    Raises:
        InvalidConfig: a source names something unknown, or a value that is not allowed, or cannot be read.
    """
    if file is None and environ.get(_CONFIG_VARIABLE):
        file = Path(environ[_CONFIG_VARIABLE])
    if file is None and _CONFIG_FILE.exists():
        file = _CONFIG_FILE
    values: dict[str, Any] = {}
    if file is not None:
        values |= _read_file(file)
    values |= _read_environment(environ)
    values |= _read_flags(flags)
    return Config(**values)


def _read_flags(flags: Mapping[str, object]) -> dict[str, Any]:
    assert flags.keys() <= SETTINGS.keys(), flags
    return {
        name: _parse(SETTINGS[name], str(value), SETTINGS[name].flag)
        for name, value in flags.items()
        if value is not None
    }


def _read_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    # An empty variable counts as unset: container files pass `LOGMQ_PORT=${PORT:-}`.
    by_variable = {setting.variable: setting for setting in SETTINGS.values()}
    values: dict[str, Any] = {}
    for variable, text in environ.items():
        if not variable.startswith("LOGMQ_") or variable in _OTHER_VARIABLES or not text:
            continue
        setting = by_variable.get(variable)
        if setting is None:
            known = [*by_variable, *_OTHER_VARIABLES]
            raise InvalidConfig(f"environment variable {variable}: no such setting{_suggest(variable, known)}")
        values[setting.name] = _parse(setting, text, f"environment variable {variable}")
    return values


def _read_file(file: Path) -> dict[str, Any]:
    import tomllib  # noqa: PLC0415 - only a start with a file pays for it

    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidConfig(f"configuration file {file}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidConfig(f"configuration file {file}: not a TOML file: {error}") from error
    values: dict[str, Any] = {}
    for key, value in table.items():
        source = f"configuration file {file}, key {key}"
        if isinstance(value, dict):
            raise InvalidConfig(f"{source}: settings stand at the top level, without [{key}]")
        if key not in SETTINGS:
            raise InvalidConfig(f"{source}: no such setting{_suggest(key, SETTINGS)}")
        text = str(value).lower() if isinstance(value, bool) else str(value)
        values[key] = _parse(SETTINGS[key], text, source)
    return values


def _parse(setting: Setting[T], text: str, source: str) -> T:
    try:
        return setting.kind.parse(text.strip())
    except ValueError:
        raise InvalidConfig(f"{source}: {text!r} is not allowed; it takes {setting.kind.allowed}") from None


def _suggest(name: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only an error pays for it

    close = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else "; docs/settings.md lists them"


# -- the settings of a topic ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TopicSetting:
    """One row of the topics' table: Kafka's name, the broker setting that is its default, kind, meaning."""

    name: str
    default: str
    kind: Kind[Any]
    meaning: str


TOPIC_SETTINGS: Mapping[str, TopicSetting] = {
    each.name: each
    for each in (
        TopicSetting(
            "retention.ms",
            "retention_ms",
            _RETENTION_TIME,
            "age at which the topic's old segments are deleted",
        ),
        TopicSetting(
            "retention.bytes",
            "retention_bytes",
            _RETENTION_SIZE,
            "size of a partition above which its oldest segments are deleted",
        ),
        TopicSetting(
            "segment.bytes",
            "segment_size_bytes",
            _SEGMENT_SIZE,
            "size at which a log goes on in a new segment",
        ),
        TopicSetting("max.message.bytes", "message_size_max_bytes", _MESSAGE_SIZE, "largest message the topic takes"),
        TopicSetting(
            "message.timestamp.type",
            "message_timestamp_type",
            _TIMESTAMP_TYPE,
            "whose clock dates a record: its producer's, or LogAppendTime the broker's",
        ),
        TopicSetting(
            "cleanup.policy",
            "cleanup_policy",
            _CLEANUP_POLICY,
            "what becomes of old records; compact alone keeps all of them: nothing is compacted yet",
        ),
    )
}


def parse_topic_settings(texts: Mapping[str, str]) -> dict[str, SettingValue]:
    """Values of topic settings from their texts, by the same names; None is without limit.

    Raises:
        InvalidSetting: there is no such setting, or its value is not allowed.
    """
    values: dict[str, SettingValue] = {}
    for name, text in texts.items():
        setting = TOPIC_SETTINGS.get(name)
        if setting is None:
            raise InvalidSetting(name, f"a topic has no such setting, only {', '.join(TOPIC_SETTINGS)}")
        try:
            values[name] = setting.kind.parse(text.strip())
        except ValueError:
            raise InvalidSetting(name, f"{text!r} is not allowed; it takes {setting.kind.allowed}") from None
    return values


def topic_settings(config: Config, overrides: Mapping[str, SettingValue]) -> TopicSettings:
    """What holds for a topic: its own settings, by name, laid over the broker's."""
    values: dict[str, Any] = {
        setting.default: overrides.get(name, getattr(config, setting.default))
        for name, setting in TOPIC_SETTINGS.items()
    }
    return TopicSettings(**values)
