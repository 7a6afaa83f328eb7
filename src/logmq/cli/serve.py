"""`logmq serve`: run the broker in the foreground until Ctrl-C or SIGTERM.

Exit code: 0 after a clean stop, 1 when it cannot start, 74 when the disk failed and it stopped for that.
"""

from __future__ import annotations

import asyncio
import os
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any

import typer

from logmq.config import SETTINGS, Config, Setting, load_config


def serve(config: Path | None = None, **flags: Any) -> None:
    """Run the broker in the foreground; Ctrl-C or SIGTERM stops it cleanly.

    Each option can be given as a variable or in the configuration file as well; an option goes before a variable, and
    a variable before the file.
    """
    raise typer.Exit(_run(load_config(flags, os.environ, config)))


def _run(config: Config) -> int:
    # Imported late: `logmq serve --help` and a wrong flag need neither a loop nor a broker.
    from logmq.server import logs  # noqa: PLC0415
    from logmq.server.server import Server  # noqa: PLC0415

    logs.configure(config.log_level, config.log_format)

    async def run() -> int:
        return await Server(config).run()

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(run())


def _loop_factory() -> Any:
    """uvloop's loop where there is one, else asyncio's own."""
    try:
        import uvloop  # noqa: PLC0415
    except ImportError:
        return None
    return uvloop.new_event_loop


def _option(setting: Setting[Any]) -> Parameter:
    help = f"{setting.meaning} [default: {setting.default_text}; env: {setting.variable}]"
    default = typer.Option(None, setting.flag, help=help, metavar=setting.kind.unit.upper() or "VALUE")
    annotation = list[str] | None if setting.kind.several else str | None
    return Parameter(setting.name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


# One flag a setting, from the one table of settings.
_CONFIG = Parameter(
    "config",
    Parameter.KEYWORD_ONLY,
    default=typer.Option(
        None, "--config", metavar="FILE", help="TOML file of settings [default: ./logmq.toml if there is one]"
    ),
    annotation=Path | None,
)
_PARAMETERS = [_CONFIG, *map(_option, SETTINGS.values())]
serve.__signature__ = Signature(_PARAMETERS)  # type: ignore[attr-defined]
serve.__annotations__ = {parameter.name: parameter.annotation for parameter in _PARAMETERS}
