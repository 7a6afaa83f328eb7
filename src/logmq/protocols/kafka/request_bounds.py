"""Whether a request's arrays can be as long as they say, before kio reads it: its reader takes memory for as many items
as the count claims, so that thirty bytes could ask for gigabytes and end the process.

The request is walked through by kio's schema without making anything of it.
"""

from __future__ import annotations

import dataclasses
import struct
from functools import cache
from typing import Any, NamedTuple, get_args, get_type_hints

from logmq.protocols.kafka.framing import BadFrame, uvarint_at

_I16 = struct.Struct(">h")
_I32 = struct.Struct(">i")
_FIXED_SIZES = {
    "bool": 1, "int8": 1, "int16": 2, "uint16": 2, "int32": 4, "int64": 8, "float64": 8, "uuid": 16,
    "timedelta_i32": 4, "timedelta_i64": 8, "error_code": 2, "datetime_i64": 8, "uint8": 1, "uint32": 4, "uint64": 8,
}  # fmt: skip
_LENGTHS = {"string": _I16, "bytes": _I32, "records": _I32}


class Step(NamedTuple):
    """One field: an array or not, of a fixed size, of a length that stands before it, or of a message's fields."""

    is_array: bool
    fixed_size: int
    length: struct.Struct | None
    nested: Plan | None
    size_min: int
    nullable: bool = False
    """Only of a message that is not in an array: a byte before it says whether it is there (negative: it is not)."""


class Plan(NamedTuple):
    """A message's fields in order, and its tagged ones by their tag; `flexible` as in KIP-482."""

    flexible: bool
    steps: tuple[Step, ...]
    tagged: dict[int, Step]
    size_min: int


def check_bounds(message_type: Any, data: bytes, position: int) -> None:
    """Refuse a request that claims what it cannot hold. Raises: BadFrame, IndexError, struct.error."""
    _walk(_plan(message_type), data, position)


def _walk(plan: Plan, data: bytes, position: int) -> int:
    for step in plan.steps:
        position = _walk_field(step, plan.flexible, data, position)
    if not plan.flexible:
        return position
    count, position = uvarint_at(data, position)
    for _ in range(count):
        tag, position = uvarint_at(data, position)
        size, position = uvarint_at(data, position)
        if position + size > len(data):
            raise BadFrame("a tagged field reaches beyond its request")
        if tag in plan.tagged:
            _walk_field(plan.tagged[tag], plan.flexible, data, position)
        position += size
    return position


def _walk_field(step: Step, flexible: bool, data: bytes, position: int) -> int:
    if not step.is_array:
        return _walk_one(step, flexible, data, position)
    count, position = _length(_I32, flexible, data, position)
    if count * step.size_min > len(data) - position:
        raise BadFrame(f"an array of {count} items reaches beyond its request")
    if step.fixed_size:
        return position + max(count, 0) * step.fixed_size
    for _ in range(count):
        position = _walk_one(step, flexible, data, position)
    return position


def _walk_one(step: Step, flexible: bool, data: bytes, position: int) -> int:
    if step.nested is not None:
        if step.nullable:
            position += 1
            if data[position - 1] >= 0x80:
                return position
        return _walk(step.nested, data, position)
    if step.length is None:
        return position + step.fixed_size
    length, position = _length(step.length, flexible, data, position)
    if length > len(data) - position:
        raise BadFrame("a field reaches beyond its request")
    return position + max(length, 0)


def _length(fixed: struct.Struct, flexible: bool, data: bytes, position: int) -> tuple[int, int]:
    if flexible:
        length, position = uvarint_at(data, position)
        return length - 1, position
    return int(fixed.unpack_from(data, position)[0]), position + fixed.size


@cache
def _plan(message_type: Any) -> Plan:
    flexible = bool(message_type.__flexible__)
    hints = get_type_hints(message_type)
    steps: list[Step] = []
    tagged: dict[int, Step] = {}
    for field in dataclasses.fields(message_type):
        step = _step(field, hints[field.name], flexible)
        if "tag" in field.metadata:
            tagged[field.metadata["tag"]] = step
        else:
            steps.append(step)
    size_min = sum((1 if flexible else 4) if step.is_array else step.size_min for step in steps) + flexible
    return Plan(flexible, tuple(steps), tagged, max(1, size_min))


def _step(field: dataclasses.Field[Any], hint: Any, flexible: bool) -> Step:
    options: list[Any] = [hint, *get_args(hint)]
    options += [inner for option in options for inner in get_args(option)]
    is_array = any(getattr(option, "__origin__", None) is tuple for option in options)
    message_type: Any = next((option for option in options if dataclasses.is_dataclass(option)), None)
    if message_type is not None:
        nested = _plan(message_type)
        nullable = not is_array and type(None) in options
        return Step(is_array, 0, None, nested, 1 if nullable else nested.size_min, nullable)
    kind = field.metadata["kafka_type"]
    length = _LENGTHS.get(kind)
    if length is not None:
        return Step(is_array, 0, length, None, 1 if flexible else length.size)
    return Step(is_array, _FIXED_SIZES[kind], None, None, _FIXED_SIZES[kind])
