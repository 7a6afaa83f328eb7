"""docs/kafka-compatibility.md says what the table of APIs says."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from logmq.protocols.kafka.api import APIS
from logmq.protocols.kafka.compatibility import NOT_SPOKEN, REMARKS, page

DOCS = Path(__file__).parents[4] / "docs" / "kafka-compatibility.md"


def test_the_page_is_the_one_made_from_the_table() -> None:
    """`python -m logmq.protocols.kafka.compatibility > docs/kafka-compatibility.md` makes it anew."""
    assert DOCS.read_text(encoding="utf-8") == page()


def test_remarks_are_about_what_is_spoken_and_the_rest_is_not() -> None:
    """An API that is added to the table leaves the list of those that are missing."""
    spoken = {api.name for api in APIS.values()}
    assert set(REMARKS) <= spoken
    assert not spoken & {name for names in NOT_SPOKEN.values() for name in names}


def test_what_is_advertised_has_a_handler() -> None:
    """ApiVersions never promises what nobody answers."""
    handlers = "logmq.protocols.kafka.handlers"
    assert [api.name for api in APIS.values() if find_spec(f"{handlers}.{api.name}") is None] == []
