"""JSON schemas of the types that calls take and give, as msgspec describes them, made fit for an OpenAPI document.

Bytes that are kept as they came (`msgspec.Raw`) are any JSON to a client; types of the same name in several modules
get names of their own; whole numbers are 64 bits wide, which many generators of clients have to be told.
"""

from __future__ import annotations

import types
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

_PREFIX = "#/components/schemas/"


class Schemas:
    """The schemas of some types, and references to them."""

    def __init__(self, kinds: Iterable[Any]) -> None:
        self._names: dict[str, type] = {}
        self._structs: dict[type, type] = {}
        self._kinds = list(kinds)
        described = [self._described(kind) for kind in self._kinds]
        schemas, components = msgspec.json.schema_components(described, ref_template=_PREFIX + "{name}")
        self._schemas: list[dict[str, Any]] = [_widened(schema) for schema in schemas]
        self.components: dict[str, Any] = {name: _widened(schema) for name, schema in components.items()}

    def of(self, kind: Any) -> dict[str, Any]:
        """The schema of a type, a reference if it has a name."""
        return self._schemas[self._kinds.index(kind)]

    def resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The schema that a reference leads to."""
        reference = schema.get("$ref")
        return schema if reference is None else self.components[reference.removeprefix(_PREFIX)]

    def forget(self, kind: Any) -> dict[str, Any]:
        """Take a type out of the components, where its fields stand elsewhere; returns its schema."""
        schema: dict[str, Any] = self.components.pop(self.of(kind)["$ref"].removeprefix(_PREFIX))
        return schema

    def _described(self, kind: Any) -> Any:
        """The type, with others in place of those that msgspec has no schema for."""
        if kind is msgspec.Raw:
            return Any
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return self._struct(kind)
        origin = get_origin(kind)
        if origin is None or origin is Literal:
            return kind
        if origin is Annotated:
            return Annotated[(self._described(kind.__origin__), *kind.__metadata__)]
        arguments = tuple(self._described(each) for each in get_args(kind))
        return Union[arguments] if origin in {Union, types.UnionType} else origin[arguments]  # noqa: UP007

    def _struct(self, kind: type[msgspec.Struct]) -> type:
        if kind not in self._structs:
            given = msgspec.structs.fields(kind)
            self._structs[kind] = msgspec.defstruct(
                self._name(kind),
                [self._field(field) for field in given],
                namespace={"__doc__": kind.__doc__},
                rename={field.name: field.encode_name for field in given},
                forbid_unknown_fields=kind.__struct_config__.forbid_unknown_fields,
                kw_only=True,
            )
        return self._structs[kind]

    def _field(self, field: msgspec.structs.FieldInfo) -> Any:
        kind = self._described(field.type)
        if field.required:
            return field.name, kind
        default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
        if isinstance(default, msgspec.Raw):  # there is no JSON for it: it stands for a field that is left out
            return field.name, Union[kind, msgspec.UnsetType], msgspec.UNSET  # noqa: UP007 - `Any |` is no union
        return field.name, kind, default

    def _name(self, kind: type) -> str:
        """The type's name, behind its module's where that is a part of a package of its own, such as `V2Record`."""
        _, _, inner = kind.__module__.partition("protocols.http.rest_proxy.")
        name = inner.title().replace("_", "") + kind.__name__
        if self._names.setdefault(name, kind) is not kind:
            name = kind.__module__.rpartition(".")[2].title().replace("_", "") + name
            self._names[name] = kind
        return name


def _widened(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_widened(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: _widened(each) for name, each in schema.items()}
    return {**found, "format": "int64"} if found.get("type") == "integer" else found
