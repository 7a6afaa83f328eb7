"""The documents: their links, variables and commands exist, and the records and the changelog have their form."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import logmq
from logmq.config import SETTINGS

ROOT = Path(__file__).parents[2]
DEPLOYED = [ROOT / "Dockerfile", ROOT / "compose.yaml", ROOT / "deploy" / "logmq.service"]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/*.md")])


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    """Each relative link of a document names a file that is there."""
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", document.read_text())
    for target in targets:
        if not re.match(r"[a-z]+:", target):
            assert (document.parent / target).exists(), target


def test_the_tests_that_documents_cite_exist() -> None:
    """`tests/...` in a document is a file or directory, and a test behind `::` is in it."""
    cited = [each for document in DOCUMENTS for each in re.findall(r"`(tests/[\w/.:]+)`", document.read_text())]
    assert len(cited) > 20
    for each in cited:
        path, _, name = each.partition("::")
        assert (ROOT / path).exists(), each
        assert not name or f"def {name}(" in (ROOT / path).read_text(), each


def test_the_changelog_has_the_version() -> None:
    """What is not released yet has its place on top, and a released version has a date."""
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", heading) for heading in headings[1:])
    assert re.fullmatch(r"\d+\.\d+\.\d+", logmq.__version__)


def test_every_dependency_has_its_reason() -> None:
    """docs/adr/0002-dependencies.md has a row for each dependency of pyproject.toml and for no other."""
    text = (ROOT / "docs" / "adr" / "0002-dependencies.md").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    rows = set(re.findall(r"^\| `([\w-]+)` \|", text, re.MULTILINE))
    assert rows == {re.split(r"[^\w-]", dependency)[0] for dependency in project["dependencies"]}


def test_records_are_numbered_without_gaps() -> None:
    """docs/adr holds 0001, 0002, ... each with a title that carries its number, and a status."""
    records = sorted((ROOT / "docs" / "adr").glob("*.md"))
    assert [int(record.name[:4]) for record in records] == list(range(1, len(records) + 1))
    for number, record in enumerate(records, 1):
        assert record.read_text().startswith(f"# {number}. "), record.name
        assert "\nStatus: " in record.read_text(), record.name


def test_every_make_target_that_a_document_names_exists() -> None:
    """`make x` in a document is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for document in DOCUMENTS:
        named = re.findall(r"^make ([a-z-]+)|`make ([a-z-]+)", document.read_text(), re.MULTILINE)
        assert {first or second for first, second in named} <= targets, document


def test_every_variable_that_a_document_names_is_a_setting() -> None:
    """LOGMQ_ names in documents and in what is deployed exist."""
    known = {each.variable for each in SETTINGS.values()} | {"LOGMQ_CONFIG", "LOGMQ_SERVER", "LOGMQ_NAME"}
    for file in [*DOCUMENTS, *DEPLOYED]:
        assert set(re.findall(r"LOGMQ_[A-Z_]*[A-Z]", file.read_text())) <= known, file
