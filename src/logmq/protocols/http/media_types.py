"""Which type of answer a client wants, by its Accept header (RFC 9110, 12.5.1)."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request

from logmq.protocols.http.problems import NotAcceptable


def wanted_type(request: Request, offered: Sequence[str]) -> str:
    """The one of the types that the client likes best, the first one where it does not care. Raises: NotAcceptable."""
    accept = request.headers.get("accept", "")
    if not accept.strip():
        return offered[0]
    ranges = [_parse(part) for part in accept.split(",") if part.strip()]
    liking, _, best = max((_liking(ranges, kind), -number, kind) for number, kind in enumerate(offered))
    if liking == 0:
        raise NotAcceptable(f"this can be given as {', '.join(offered)}, not as {accept[:80]}")
    return best


def _parse(part: str) -> tuple[str, float]:
    """A media range and its weight, such as `text/*;q=0.5`."""
    kind, *parameters = [piece.strip().lower() for piece in part.split(";")]
    for parameter in parameters:
        name, _, text = parameter.partition("=")
        if name.strip() == "q":
            try:
                return kind, min(max(float(text), 0.0), 1.0)
            except ValueError:
                return kind, 0.0
    return kind, 1.0


def _liking(ranges: Sequence[tuple[str, float]], kind: str) -> float:
    """The weight of the range that fits the type most closely."""
    for fitting in (kind, f"{kind.partition('/')[0]}/*", "*/*"):
        weights = [weight for given, weight in ranges if given == fitting]
        if weights:
            return max(weights)
    return 0.0
