"""The settings in force, from flags, environment and file; whatever is wrong there stops the start."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from logmq.config.settings import SETTINGS, Config, Setting
from logmq.errors import InvalidConfig

T = TypeVar("T")

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
        name: _parse(SETTINGS[name], _text(SETTINGS[name], value), SETTINGS[name].flag)
        for name, value in flags.items()
        if value not in (None, [])
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
        values[key] = _parse(SETTINGS[key], _text(SETTINGS[key], value), source)
    return values


def _text(setting: Setting[Any], value: object) -> str:
    """A value of a flag or of the file as it would stand in an environment variable."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list) and setting.kind.several:
        return ",".join(map(str, value)) or setting.default_text
    return str(value)


def _parse(setting: Setting[T], text: str, source: str) -> T:
    try:
        return setting.kind.parse(text.strip())
    except ValueError:
        raise InvalidConfig(f"{source}: {text!r} is not allowed; it takes {setting.kind.allowed}") from None


def _suggest(name: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only an error pays for it

    close = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else "; docs/settings.md lists them"
