"""docs/settings.md is true."""

from __future__ import annotations

from pathlib import Path

from logmq.config import SETTINGS, TOPIC_SETTINGS, load_config
from logmq.kept_settings import KEPT_SETTINGS
from logmq.limits import MIB

DOCS = Path(__file__).parents[3] / "docs" / "settings.md"


def table(heading: str) -> list[list[str]]:
    """The rows of the table under a heading of docs/settings.md, without its two header lines."""
    section = DOCS.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows[2:]]


def test_the_page_lists_every_setting_as_it_is() -> None:
    """docs/settings.md has exactly the broker's settings, in order, with default, unit, values and meaning."""
    assert table("The broker") == [
        [f"`{each.name}`", f"`{each.default_text}`", each.kind.unit or "-", each.kind.allowed, each.meaning]
        for each in SETTINGS.values()
    ]


def test_the_page_lists_every_topic_setting_as_it_is() -> None:
    """docs/settings.md has exactly the topics' settings, in order."""
    assert table("Topics") == [
        [f"`{each.name}`", each.kind.unit or "-", each.kind.allowed, each.meaning, f"`{each.default}`"]
        for each in TOPIC_SETTINGS.values()
    ]


def test_the_page_lists_every_kept_setting_as_it_is() -> None:
    """docs/settings.md has exactly the settings that are only kept, in order."""
    assert table("Kept for Kafka clients") == [
        [f"`{each.name}`", f"`{each.default}`" if each.default else "-", each.kind.allowed, each.meaning]
        for each in KEPT_SETTINGS.values()
    ]


def test_the_pages_example_is_a_configuration_file(tmp_path: Path) -> None:
    """The example of docs/settings.md can be used as it stands."""
    example = DOCS.read_text().split("```toml\n")[1].split("```")[0]
    (tmp_path / "logmq.toml").write_text(example)
    config = load_config({}, {}, tmp_path / "logmq.toml")
    assert (config.host, config.segment_size_bytes) == ("0.0.0.0", 256 * MIB)
    assert config.auto_create_topics is False
