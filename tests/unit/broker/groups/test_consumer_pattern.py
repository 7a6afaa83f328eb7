"""Regular expressions for topics: RE2's syntax as far as it makes sense for names, in time that is bounded."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logmq.broker.groups.consumer_pattern import InvalidPattern, TopicPattern

NAMES = ["a", "b", "ab", "ba", "aab", "abab", "A", "x-1", "x.1", "x_1", "x-12", "orders", "Orders", "orders.dlq", "0"]


@pytest.mark.parametrize(
    "text",
    [
        "a", "ab", ".*", ".+", "a?b", "(ab)*", "(ab)+", "a|b", "a|b|", "(a|b){2}", "(?:a|b){1,3}", "(a|b){2,}", "a{0}b",
        r"x-\d", r"x\W\d+", r"x[.\-]1", "[a-c]+", "[^a]", "[^a-z]+", "[]a]+", "[a-]+", "^a$", "^(a|b)", r"x\.1",
        "(?i)orders", "(?i:o)rders", "((a)(b))", "(?P<name>a)b", r"orders(\.dlq)?", "[A-Za-z]+", r"\w+", r"[\d]", "",
        "a*?b", "(?s)a.", "(a*)*", "(a|ab)(b|ab)", "^$", "a^", "$a", "(^a|b$)", r"[\w.]+", "(?i)[a-b]+", r"\S+", r"\D",
    ],
)  # fmt: skip
def test_as_python_reads_them(text: str) -> None:
    """What both understand selects the same names."""
    expected = {name for name in NAMES if re.fullmatch(text, name, re.DOTALL)}
    assert TopicPattern(text).select(NAMES) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"\Qx.1\E", {"x.1"}),
        (r"x\Q-1", {"x-1"}),
        ("[[:digit:]]", {"0"}),
        ("[[:alpha:][:digit:]]", {"a", "b", "A", "0"}),
        ("[[:^alpha:]]", {"0"}),
        (r"\Aa\z", {"a"}),
        ("(?<name>a)", {"a"}),
        ("a{x}", set()),
        ("a{,2}", set()),
        ("(?i-i:A)", {"A"}),
        (r"\t|a", {"a"}),
    ],
)
def test_what_only_re2_knows(text: str, expected: set[str]) -> None:
    """Quotes, POSIX classes and the like mean what RE2 says."""
    assert TopicPattern(text).select(NAMES) == expected


@pytest.mark.parametrize(
    "text",
    [
        "(", ")", "(a", "a)", "[", "[a", "[b-a]", "*", "+a", "a**", "a{2}{3}", "a{1001}", "a{3,2}", "\\", r"\b", r"\1",
        r"\p{L}", "(?=a)", "(?!a)", "(?<=a)", "(?<!a)", "(?P=x)", "(?P<x", "(?P<>a)", "[[:nothing:]]", "(?", "(?z)",
        "(" * 200 + ")" * 200,
        "a" * 5_000, "((((a{100}){100}){100}){100})", "(?P<a b>x)", r"\C", r"[\z]",
    ],
)  # fmt: skip
def test_refused(text: str) -> None:
    """What is no expression, or would not be followed in bounded time and size, is refused in words."""
    with pytest.raises(InvalidPattern, match="is not a regular expression for topics"):
        TopicPattern(text)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab.*+?|()[]{}^$\\-0123456789,:iPQE<>=!", max_size=20))
def test_any_text(text: str) -> None:
    """Any text is an expression or an InvalidPattern; where Python's is one as well both select the same names."""
    try:
        selected = TopicPattern(text).select(NAMES)
    except InvalidPattern:
        return
    if re.search(r"\\[QEAz]|\[:|\(\?|\{|\[.*\[|&&|--|\|\|", text):
        return  # read differently on purpose
    try:
        expected = {name for name in NAMES if re.fullmatch(text, name)}
    except re.error:
        return
    assert selected == expected


def test_time_is_bounded() -> None:
    """Expressions that take others for ever are done in a moment."""
    names = ["a" * 200 + str(number) for number in range(20)]
    started = time.process_time()
    assert TopicPattern("(a*)*(a|aa)+(.*)*b").select(names) == frozenset()
    assert time.process_time() - started < 5


def test_steps_are_counted() -> None:
    """One that takes more steps than the broker has selects nothing more, and says so for good."""
    pattern = TopicPattern("(" + "|".join(["a*" * 20] * 40) + ")*")
    names = ["a" * 249 + str(number) for number in range(50)]
    assert pattern.select(names) == frozenset()
    assert pattern.is_exhausted
    assert pattern.select(["a"]) == frozenset() and pattern.is_exhausted


def test_names_are_looked_at_once() -> None:
    """A name that was there the last time costs nothing."""
    pattern = TopicPattern("a.*")
    pattern.select(NAMES)
    before = dict(pattern._known)
    pattern._states.clear()
    assert pattern.select(NAMES[:4]) == frozenset({"a", "ab"})
    assert pattern._known.items() <= before.items()
