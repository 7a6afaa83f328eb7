"""Why a request for a stream is refused: problems, with the headers by which the protocol's clients tell them apart."""

from __future__ import annotations

from collections.abc import Mapping

from logmq.protocols.http.problems import RequestProblem


class Refused(RequestProblem):
    """The stream is not as the request takes it to be."""

    def __init__(
        self, status: int, code: str, detail: str, field: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail, field)
        self.status = status
        self.code = code
        self.headers = dict(headers or {})


def unknown_stream(name: str) -> Refused:
    """Nobody made it, or it is gone."""
    return Refused(404, "UNKNOWN_STREAM", f"there is no stream {name!r}; PUT makes one", "stream")


def deleted_stream(name: str) -> Refused:
    """It was deleted, and has forks."""
    return Refused(410, "STREAM_DELETED", f"the stream {name!r} was deleted; forks of it are still there", "stream")


def other_stream(name: str, what: str) -> Refused:
    """A stream cannot be made because it is there already."""
    return Refused(409, "STREAM_EXISTS", f"{name!r} is there already, {what}", "stream")
