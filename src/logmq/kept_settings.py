"""Topic settings of Kafka's that LogMQ keeps and shows but has no use for.

Programs set them when they create topics and read them back later. A value that could not be is refused, so that a slip
of the pen is noticed here as it would be elsewhere. Names, types, bounds and defaults are those of Kafka 4.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite

from logmq.config import DAY, HOUR, MINUTE, TOPIC_SETTINGS, parse_topic_settings
from logmq.config.kinds import Kind, choice
from logmq.errors import InvalidSetting
from logmq.limits import KEPT_SETTING_SIZE_MAX
from logmq.model import SettingValue

_INT32_MAX = (1 << 31) - 1
_INT64_MAX = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class KeptSetting:
    """One row of the table. `type` is Kafka's word for what the value is; `default` is text as clients write it."""

    name: str
    type: str
    kind: Kind[str]
    default: str
    meaning: str


def _number(minimum: int, maximum: int) -> Kind[str]:
    def parse(text: str) -> str:
        digits = text.removeprefix("-")
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 19 and minimum <= int(text) <= maximum):
            raise ValueError(text)
        return str(int(text))

    return Kind(f"a whole number from {minimum} to {maximum}", parse, str)


def _parse_ratio(text: str) -> str:
    ratio = float(text)
    if not (isfinite(ratio) and 0 <= ratio <= 1):
        raise ValueError(text)
    return str(ratio)


def _parse_list(text: str) -> str:
    if len(text) > KEPT_SETTING_SIZE_MAX or not (text.isprintable() and text.isascii()):
        raise ValueError(text)
    return ",".join(filter(None, [word.strip() for word in text.split(",")]))


_COUNT = _number(0, _INT64_MAX)
_COUNT_MIN_ONE = _number(1, _INT64_MAX)
_TRUTH = choice("true", "false")
_RATIO = Kind("a number from 0 to 1", _parse_ratio, str)
_LIST = Kind("words with commas between, or nothing", _parse_list, str)
_LOCAL = _number(-2, _INT64_MAX)
_CODECS = choice("producer", "uncompressed", "zstd", "lz4", "snappy", "gzip")

KEPT_SETTINGS: Mapping[str, KeptSetting] = {
    each.name: each
    for each in (
        KeptSetting("compression.gzip.level", "INT", _number(-1, 9), "-1", "level where the broker compresses by gzip"),
        KeptSetting("compression.lz4.level", "INT", _number(1, 17), "9", "level where the broker compresses by lz4"),
        KeptSetting(
            "compression.type", "STRING", _CODECS, "producer", "codec of stored batches: always the producer's"
        ),
        KeptSetting(
            "compression.zstd.level", "INT", _number(-131072, 22), "3", "level where the broker compresses by zstd"
        ),
        KeptSetting("delete.retention.ms", "LONG", _COUNT, str(DAY), "time that compaction keeps deletion marks"),
        KeptSetting("file.delete.delay.ms", "LONG", _COUNT, str(MINUTE), "time before a file is removed"),
        KeptSetting("flush.messages", "LONG", _COUNT_MIN_ONE, str(_INT64_MAX), "messages between syncs; see `sync`"),
        KeptSetting("flush.ms", "LONG", _COUNT, str(_INT64_MAX), "time between syncs; see `sync`"),
        KeptSetting(
            "follower.replication.throttled.replicas", "LIST", _LIST, "", "replicas that copy with a limited rate"
        ),
        KeptSetting("index.interval.bytes", "INT", _number(0, _INT32_MAX), "4096", "log bytes between index entries"),
        KeptSetting(
            "leader.replication.throttled.replicas", "LIST", _LIST, "", "replicas that are copied with a limited rate"
        ),
        KeptSetting("local.retention.bytes", "LONG", _LOCAL, "-2", "size kept here of what is stored elsewhere, too"),
        KeptSetting("local.retention.ms", "LONG", _LOCAL, "-2", "age kept here of what is stored elsewhere, too"),
        KeptSetting("max.compaction.lag.ms", "LONG", _COUNT_MIN_ONE, str(_INT64_MAX), "age at which compaction is due"),
        KeptSetting(
            "message.timestamp.after.max.ms", "LONG", _COUNT, str(HOUR), "how far a record's time may lie ahead"
        ),
        KeptSetting(
            "message.timestamp.before.max.ms", "LONG", _COUNT, str(_INT64_MAX), "how far a record's time may lie back"
        ),
        KeptSetting("min.cleanable.dirty.ratio", "DOUBLE", _RATIO, "0.5", "share of a log that is not yet compacted"),
        KeptSetting("min.compaction.lag.ms", "LONG", _COUNT, "0", "age below which nothing is compacted"),
        KeptSetting("min.insync.replicas", "INT", _number(1, _INT32_MAX), "1", "replicas that must have a write"),
        KeptSetting("preallocate", "BOOLEAN", _TRUTH, "false", "whether segments are made in their full size"),
        KeptSetting("remote.copy.disable", "BOOLEAN", _TRUTH, "false", "whether tiered storage only reads"),
        KeptSetting(
            "remote.log.delete.on.disable", "BOOLEAN", _TRUTH, "false", "whether tiered data goes with tiering"
        ),
        KeptSetting("remote.storage.enable", "BOOLEAN", choice("false"), "false", "whether segments are tiered"),
        KeptSetting("segment.index.bytes", "INT", _number(4, _INT32_MAX), "10485760", "size of a segment's index"),
        KeptSetting("segment.jitter.ms", "LONG", _COUNT, "0", "random part of segment.ms"),
        KeptSetting("segment.ms", "LONG", _COUNT_MIN_ONE, str(7 * DAY), "age at which a log goes on in a new segment"),
        KeptSetting(
            "unclean.leader.election.enable", "BOOLEAN", _TRUTH, "false", "whether a replica that lags may lead"
        ),
    )
}


def check_names(names: Iterable[str]) -> None:
    """Check that topics have settings of these names. Raises: InvalidSetting."""
    for name in names:
        if name not in TOPIC_SETTINGS and name not in KEPT_SETTINGS:
            parse_topic_settings({name: ""})  # says which there are


def parse_overrides(texts: Mapping[str, str]) -> dict[str, SettingValue]:
    """A topic's own settings from their texts: those that act and those that are kept.

    Raises:
        InvalidSetting: there is no such setting, or its value is not allowed.
    """
    values: dict[str, SettingValue] = {}
    for name, text in texts.items():
        kept = KEPT_SETTINGS.get(name)
        if kept is None:
            values |= parse_topic_settings({name: text})
            continue
        try:
            values[name] = kept.kind.parse(text.strip())
        except ValueError:
            shown = text if len(text) <= 60 else text[:57] + "..."
            raise InvalidSetting(name, f"{shown!r} is not allowed; it takes {kept.kind.allowed}") from None
    return values
