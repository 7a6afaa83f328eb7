r"""Regular expressions for names of topics, matched in time that is bounded whatever the expression is.

Members of consumer groups bring them in the syntax of RE2 (KIP-848), and a broker must not hang on one: Python's own
`re` tries out alternatives one after the other, which can take longer than anybody waits. Here an expression becomes a
nondeterministic automaton, of which all states are followed at once. Names of topics have an alphabet of 65 characters
only, so that each step is a set of those.

    a . [a-z] [^0-9] [[:alpha:]] \d \D \w \W \s \S \. \Q...\E     one character (or a text as it is)
    x* x+ x? x{2} x{2,} x{2,5}, each also followed by ?            repetition; how greedy it is does not matter here
    xy x|y (x) (?:x) (?i:x) (?i)x (?P<name>x) (?<name>x)           sequence, choice, groups
    ^ $ \A \z                                                      where a name begins and ends

The whole name has to match. Anything else (\b, look-around, back references, Unicode classes) is refused.
Source: RE2's syntax, https://github.com/google/re2/wiki/Syntax.
"""

from __future__ import annotations

import string
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from logmq.limits import PATTERN_SIZE_MAX, PATTERN_STATES_MAX, PATTERN_STEPS_A_NAME_MAX, PATTERN_STEPS_MAX

_ALPHABET = frozenset(string.ascii_letters + string.digits + "._-")
_WORD = frozenset(string.ascii_letters + string.digits + "_")
_CLASSES = {
    "d": frozenset(string.digits),
    "w": _WORD,
    "s": frozenset(" \t\n\r\f"),
}
_POSIX = {
    "alnum": string.ascii_letters + string.digits,
    "alpha": string.ascii_letters,
    "digit": string.digits,
    "lower": string.ascii_lowercase,
    "punct": string.punctuation,
    "upper": string.ascii_uppercase,
    "word": string.ascii_letters + string.digits + "_",
    "xdigit": string.hexdigits,
}
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}
_NESTING_MAX = 100
_REPEAT_MAX = 1000


class InvalidPattern(ValueError):
    """A regular expression that is none, or one that the broker does not follow."""

    def __init__(self, text: str, reason: str) -> None:
        shown = text if len(text) <= 60 else text[:57] + "..."
        super().__init__(f"{shown!r} is not a regular expression for topics: {reason}")


@dataclass(slots=True)
class _State:
    """A state of the automaton: either `chars` lead to `targets`, or nothing has to be read on the way there."""

    chars: frozenset[str] | None = None
    targets: list[int] = field(default_factory=list)
    edge: str = ""
    """`^` or `$`: passed only at the beginning or the end of a name."""


_Part = tuple[int, int]
"""First and last state of a part of the automaton."""


class TopicPattern:
    """A regular expression for whole names of topics. Raises: InvalidPattern."""

    __slots__ = ("_begin", "_end", "_known", "_states", "_steps_left", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        parser = _Parser(text)
        self._begin, self._end = parser.parse()
        self._states = parser.states
        self._known: dict[str, bool] = {}
        self._steps_left = 0

    @property
    def is_exhausted(self) -> bool:
        """Whether it took so many steps that no more names are looked at: it is to be refused from then on."""
        return self._steps_left < 0

    def select(self, names: Collection[str]) -> frozenset[str]:
        """Those names that match. Each name costs only once, as long as it is among them."""
        if not self.is_exhausted:
            self._steps_left = PATTERN_STEPS_MAX + PATTERN_STEPS_A_NAME_MAX * len(names)
        self._known = {name: self._known[name] if name in self._known else self._matches(name) for name in names}
        return frozenset([name for name, matches in self._known.items() if matches])

    def _matches(self, name: str) -> bool:
        current = self._closure({self._begin}, at_begin=True, at_end=not name)
        for index, char in enumerate(name, 1):
            if not current or self.is_exhausted:
                return False
            following = set()
            for number in current:
                state = self._states[number]
                if state.chars is not None and char in state.chars:
                    following.update(state.targets)
            current = self._closure(following, at_begin=False, at_end=index == len(name))
        return self._end in current

    def _closure(self, states: set[int], *, at_begin: bool, at_end: bool) -> set[int]:
        """All states that are reached from these without reading."""
        seen, waiting = set(states), list(states)
        while waiting:
            state = self._states[waiting.pop()]
            if state.chars is not None or (state.edge == "^" and not at_begin) or (state.edge == "$" and not at_end):
                continue
            for target in state.targets:
                if target not in seen:
                    seen.add(target)
                    waiting.append(target)
        self._steps_left -= 1 + len(seen)
        return seen


class _Parser:
    """Reads an expression from left to right and builds the automaton as it goes (Thompson's construction)."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._depth = 0
        self._ignores_case = False
        self.states: list[_State] = []

    def parse(self) -> _Part:
        """The whole expression."""
        if len(self._text) > PATTERN_SIZE_MAX:
            raise self._error(f"it is longer than {PATTERN_SIZE_MAX} characters")
        part = self._choice()
        if self._position < len(self._text):
            raise self._error("a ) closes nothing")
        return part

    # -- the automaton -----------------------------------------------------------------------------------------------

    def _add(self, chars: frozenset[str] | None = None, targets: Iterable[int] = (), edge: str = "") -> int:
        if len(self.states) >= PATTERN_STATES_MAX:
            raise self._error("it is too large once repetitions are written out")
        self.states.append(_State(chars, list(targets), edge))
        return len(self.states) - 1

    def _read(self, chars: frozenset[str]) -> _Part:
        end = self._add()
        return self._add(chars, [end]), end

    def _nothing(self, edge: str = "") -> _Part:
        end = self._add()
        return self._add(None, [end], edge), end

    def _join(self, first: _Part, second: _Part) -> _Part:
        self.states[first[1]].targets.append(second[0])
        return first[0], second[1]

    def _loop(self, part: _Part, *, skippable: bool) -> _Part:
        end = self._add()
        begin = self._add(None, [part[0], end] if skippable else [part[0]])
        self.states[part[1]].targets += [part[0], end]
        return begin, end

    def _option(self, part: _Part) -> _Part:
        self.states[begin := self._add(None, [part[0]])].targets.append(part[1])
        return begin, part[1]

    # -- the syntax --------------------------------------------------------------------------------------------------

    def _choice(self) -> _Part:
        self._depth += 1
        if self._depth > _NESTING_MAX:
            raise self._error(f"groups lie more than {_NESTING_MAX} deep in each other")
        before = self._ignores_case
        parts = [self._sequence()]
        while self._take("|"):
            parts.append(self._sequence())
        self._ignores_case = before
        self._depth -= 1
        if len(parts) == 1:
            return parts[0]
        end = self._add()
        for _, last in parts:
            self.states[last].targets.append(end)
        return self._add(None, [first for first, _ in parts]), end

    def _sequence(self) -> _Part:
        part = self._nothing()
        while self._position < len(self._text) and self._text[self._position] not in "|)":
            part = self._join(part, self._repeated())
        return part

    def _repeated(self) -> _Part:
        start = self._position
        ignores_case = self._ignores_case
        part = self._atom()
        end = self._position
        bounds = self._bounds()
        if bounds is None:
            return part
        least, most = bounds
        if self._bounds() is not None:
            raise self._error("a repetition is repeated; put it in brackets")
        resume, flags = self._position, self._ignores_case

        def again() -> _Part:
            """The same once more, read anew: each repetition is a piece of automaton of its own."""
            self._position, self._ignores_case = start, ignores_case
            copy = self._atom()
            assert self._position == end
            return copy

        parts: list[_Part] = []
        for _ in range(least):
            parts.append(again() if parts else part)
        if most is None:
            parts = parts or [self._loop(part, skippable=True)]
            parts[-1] = self._loop(parts[-1], skippable=False) if least else parts[-1]
        else:
            parts += [self._option(again()) for _ in range(most - least)]
        self._position, self._ignores_case = resume, flags
        joined = parts[0] if parts else self._nothing()
        for one in parts[1:]:
            joined = self._join(joined, one)
        return joined

    def _bounds(self) -> tuple[int, int | None] | None:
        """The repetition that stands here; None for none."""
        bounds: tuple[int, int | None]
        if self._take("*"):
            bounds = 0, None
        elif self._take("+"):
            bounds = 1, None
        elif self._take("?"):
            bounds = 0, 1
        elif self._peek() == "{" and (counted := self._counted()) is not None:
            bounds = counted
        else:
            return None
        self._take("?")  # not greedy: the same names match
        return bounds

    def _counted(self) -> tuple[int, int | None] | None:
        """`{2}`, `{2,}`, `{2,5}`; None for a brace that stands for itself."""
        inside, brace, _ = self._text[self._position + 1 :].partition("}")
        least, comma, most = inside.partition(",")
        if not brace or not _is_number(least) or (most and not _is_number(most)):
            return None
        counts = int(least), (int(most) if most else None) if comma else int(least)
        if counts[0] > _REPEAT_MAX or (counts[1] is not None and not counts[0] <= counts[1] <= _REPEAT_MAX):
            raise self._error(f"{{{inside}}} repeats too often, or its bounds are the wrong way round")
        self._position += len(inside) + 2
        return counts

    def _atom(self) -> _Part:
        char = self._next()
        match char:
            case "(":
                return self._group()
            case "[":
                return self._read(self._bracket())
            case ".":
                return self._read(_ALPHABET)
            case "^" | "$":
                return self._nothing(char)
            case "\\":
                return self._escape()
            case "*" | "+" | "?":
                raise self._error(f"{char} repeats nothing")
        return self._read(self._cased({char}))

    def _group(self) -> _Part:
        before = self._ignores_case
        if self._take("?"):
            if self._take("P<") or (self._peek() == "<" and self._text[self._position + 1 :][:1] not in {"=", "!"}):
                name, closing, _ = self._text[self._position :].lstrip("<").partition(">")
                if not closing or not name or not _WORD.issuperset(name):
                    raise self._error("the name of a group is letters, digits and underscores in < and >")
                self._position = self._text.index(">", self._position) + 1
            elif self._flags():
                return self._nothing()
        part = self._choice()
        if not self._take(")"):
            raise self._error("a ( is not closed")
        self._ignores_case = before
        return part

    def _flags(self) -> bool:
        """`?:`, `?i:` and the like; True if they are meant for what follows the group: `?i)`."""
        on = True
        while (char := self._next()) not in {":", ")"}:
            if char == "-":
                on = False
            elif char == "i":
                self._ignores_case = on
            elif char not in "msU":  # these make no difference to a name
                raise self._error(f"(?{char} is not known here")
        return char == ")"

    def _escape(self) -> _Part:
        char = self._next()
        if char == "Q":
            text, _, _ = self._text[self._position :].partition("\\E")
            self._position = min(len(self._text), self._position + len(text) + 2)
            part = self._nothing()
            for one in text:
                part = self._join(part, self._read(self._cased({one})))
            return part
        if char in "Az":
            return self._nothing("^" if char == "A" else "$")
        return self._read(self._cased(self._escaped(char)))

    def _escaped(self, char: str) -> frozenset[str]:
        if char.lower() in _CLASSES:
            return _CLASSES[char] if char in _CLASSES else _ALPHABET - _CLASSES[char.lower()]
        if char in _CONTROLS:
            return frozenset(_CONTROLS[char])
        if char.isalnum():
            raise self._error(f"\\{char} is not known here")
        return frozenset(char)

    def _bracket(self) -> frozenset[str]:
        """What stands in `[...]`."""
        negated = self._take("^")
        chars: set[str] = set()
        first = True
        while first or self._peek() != "]":
            first = False
            low = self._bracketed()
            ranged = len(low) == 1 and self._peek() == "-" and self._text[self._position + 1 :][:1] != "]"
            if ranged and self._take("-"):
                high = self._bracketed()
                if len(high) != 1 or min(high) < min(low):
                    raise self._error("a range in [ ] is the wrong way round")
                chars |= {one for one in _ALPHABET if min(low) <= one <= min(high)}
            else:
                chars |= low
        self._next()
        chars = set(self._cased(chars))
        return frozenset(_ALPHABET - chars if negated else chars)

    def _bracketed(self) -> frozenset[str]:
        char = self._next()
        if char == "[" and self._take(":"):
            name, closing, _ = self._text[self._position :].partition(":]")
            wanted = _POSIX.get(name.lstrip("^"))
            if not closing or wanted is None:
                raise self._error(f"there is no class [:{name[:20]}:]")
            self._position += len(name) + 2
            return _ALPHABET - frozenset(wanted) if name.startswith("^") else frozenset(wanted)
        return self._escaped(self._next()) if char == "\\" else frozenset(char)

    def _cased(self, chars: Iterable[str]) -> frozenset[str]:
        if not self._ignores_case:
            return frozenset(chars)
        return frozenset([variant for char in chars for variant in (char, char.lower(), char.upper())])

    # -- the text ----------------------------------------------------------------------------------------------------

    def _peek(self) -> str:
        return self._text[self._position : self._position + 1]

    def _take(self, text: str) -> bool:
        found = self._text.startswith(text, self._position)
        self._position += len(text) if found else 0
        return found

    def _next(self) -> str:
        if self._position >= len(self._text):
            raise self._error("it ends too early")
        self._position += 1
        return self._text[self._position - 1]

    def _error(self, reason: str) -> InvalidPattern:
        return InvalidPattern(self._text, reason)


def _is_number(text: str) -> bool:
    return 0 < len(text) <= 4 and text.isascii() and text.isdigit()
