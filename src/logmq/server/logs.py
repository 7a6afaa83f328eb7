"""Log lines with fields: text for people at a terminal, one JSON object a line for everything else.

    2026-11-24 09:30:01.123 INFO  logmq.server  listening  host=127.0.0.1 port=8080
    {"time": "2026-11-24T09:30:01.123Z", "level": "info", "logger": "logmq.server", "message": "listening", ...}

Fields are given with `extra=`, as the standard library has it: `log.info("listening", extra={"port": 8080})`.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any, TextIO

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


class TextFormatter(logging.Formatter):
    """A line for people."""

    def format(self, record: logging.LogRecord) -> str:
        """Local time, level, logger, message and fields."""
        moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        head = f"{moment}.{record.msecs:03.0f} {record.levelname:<7} {record.name}  {record.getMessage()}"
        fields = " ".join(f"{name}={_quoted(value)}" for name, value in _fields(record).items())
        lines = [f"{head}  {fields}" if fields else head]
        if record.exc_info:
            lines.append(self.formatException(record.exc_info))
        return "\n".join(lines)


class JsonFormatter(logging.Formatter):
    """A JSON object for programs."""

    def format(self, record: logging.LogRecord) -> str:
        """UTC time, level, logger, message and fields, on one line."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def _quoted(value: object) -> str:
    text = str(value)
    return json.dumps(text) if not text or any(c in text for c in ' "=\n') else text


def configure(level: str, format: str, stream: TextIO | None = None) -> None:
    """Send the package's log lines to `stream` (stderr). `format` is text, json, or auto: text on a terminal."""
    out = sys.stderr if stream is None else stream
    handler = logging.StreamHandler(out)
    as_text = format == "text" or (format == "auto" and out.isatty())
    handler.setFormatter(TextFormatter() if as_text else JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
