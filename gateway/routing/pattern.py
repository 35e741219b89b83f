"""Regular expressions for the operator `~`, matched in time proportional to pattern × text whatever either holds.

A rule meets every object that comes, and values are chosen by peers: an engine that backtracks (Python's `re`) could
be held for hours by one value. So this is a set-of-states simulation (Thompson, Comm. ACM 11(6), 1968,
doi:10.1145/363347.363387) of a subset with the meaning that `re` gives it: literals, `.`, classes `[a-z]` and `[^…]`,
`\\d \\w \\s` and their opposites, groups, `|`, `* + ? {m,n}`, `^` and `$` (the very end). References, look-around and
lazy quantifiers are refused by name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from gateway.model.errors import LimitExceeded, UsageError

MAX_PATTERN_LENGTH = 256  # no condition that a person wrote is longer
MAX_REPEAT = 64  # the longest values of short strings (LO) in the dictionary
MAX_STATES = 2000  # after repeats are written out; with the cap on values, at most some 10^7 steps a value
MAX_VALUE_LENGTH = 4096  # the header scan keeps no longer value
MAX_DEPTH = 20  # of groups

Test = Callable[[str], bool]

_CLASSES: dict[str, Test] = {
    "d": str.isdecimal,
    "w": lambda character: character.isalnum() or character == "_",
    "s": str.isspace,
}
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v"}


class Edge(Enum):
    """Conditions on the place instead of the character."""

    START = "^"
    END = "$"


def regular(text: str) -> Pattern:
    """A regular expression; UsageError names what is wrong with it or not supported, and where."""
    _check_length(text)
    return Pattern(_Parser(text).parse())


def wildcards(text: str) -> Pattern:
    """A whole value by wildcards: `*` any text, `?` one character (PS3.4 C.2.2.2.4); UsageError when too long."""
    _check_length(text)
    one = _Node(_Kind.CHARACTER, lambda _: True)
    special = {"*": _Node(_Kind.REPEAT, parts=(one,)), "?": one}
    parts = [special.get(character) or _Node(_Kind.CHARACTER, character.__eq__) for character in text]
    start, end = (_Node(_Kind.EDGE, edge=edge) for edge in (Edge.START, Edge.END))
    return Pattern(_Node(_Kind.SEQUENCE, parts=(start, *parts, end)))


def _check_length(text: str) -> None:
    if len(text) > MAX_PATTERN_LENGTH:
        raise UsageError(f"the pattern has {len(text)} characters; at most {MAX_PATTERN_LENGTH}")


class _Kind(Enum):
    """Kinds of parsed expressions."""

    CHARACTER = "character"
    EDGE = "edge"
    SEQUENCE = "sequence"
    EITHER = "either"
    REPEAT = "repeat"


@dataclass(slots=True)
class _State:
    """`test` moves on over one character; without it `next` is reached at once, at an `edge` only where that holds."""

    test: Test | None = None
    edge: Edge | None = None
    next: list[int] = field(default_factory=list)
    accepts: bool = False


@dataclass(frozen=True, slots=True)
class _Node:
    """A parsed expression; `least` and `most` (None: no end) are of a repeat of its one part."""

    kind: _Kind
    test: Test | None = None
    edge: Edge | None = None
    parts: tuple[_Node, ...] = ()
    least: int = 0
    most: int | None = None


class Pattern:
    """A compiled pattern; make it with `regular` or `wildcards`."""

    def __init__(self, node: _Node) -> None:
        builder = _Builder()
        end = builder.add(_State(accepts=True))
        self._start = builder.build(node, end)
        self._states = builder.states

    def search(self, value: str) -> bool:
        """True when the pattern matches anywhere in `value`; LimitExceeded when that is too long to look at."""
        if len(value) > MAX_VALUE_LENGTH:
            raise LimitExceeded(f"a value of {len(value)} characters is not searched; at most {MAX_VALUE_LENGTH}")
        active: set[int] = set()
        for position in range(len(value) + 1):
            active.add(self._start)
            active = self._close(active, position, len(value))
            if any(self._states[state].accepts for state in active):
                return True
            if position < len(value):
                active = self._step(active, value[position])
        return False

    def _close(self, active: set[int], position: int, length: int) -> set[int]:
        """With all states that are reached without a character."""
        here = {Edge.START: position == 0, Edge.END: position == length, None: True}
        reached = set(active)
        waiting = list(active)
        while waiting:
            state = self._states[waiting.pop()]
            if state.test is not None or not here[state.edge]:
                continue
            fresh = [target for target in state.next if target not in reached]
            reached.update(fresh)
            waiting.extend(fresh)
        return reached

    def _step(self, active: set[int], character: str) -> set[int]:
        tested = ((state, state.test) for state in (self._states[index] for index in active))
        return {state.next[0] for state, test in tested if test is not None and test(character)}


class _Builder:
    """From nodes to states, each built to go on at a state that exists already."""

    def __init__(self) -> None:
        self.states: list[_State] = []

    def add(self, state: _State) -> int:
        if len(self.states) >= MAX_STATES:
            raise UsageError(f"the pattern is too large: its repeats make more than {MAX_STATES} states")
        self.states.append(state)
        return len(self.states) - 1

    def build(self, node: _Node, following: int) -> int:
        match node.kind:
            case _Kind.SEQUENCE:
                for part in reversed(node.parts):
                    following = self.build(part, following)
                return following
            case _Kind.EITHER:
                return self.add(_State(next=[self.build(part, following) for part in node.parts]))
            case _Kind.REPEAT:
                return self._repeat(node, following)
            case _Kind.CHARACTER | _Kind.EDGE:
                return self.add(_State(node.test, node.edge, [following]))

    def _repeat(self, node: _Node, following: int) -> int:
        (part,) = node.parts
        if node.most is None:
            loop = self.add(_State(next=[following]))
            self.states[loop].next.append(self.build(part, loop))
            following = loop
        else:
            leave = following
            for _ in range(node.most - node.least):
                following = self.add(_State(next=[leave, self.build(part, following)]))
        for _ in range(node.least):
            following = self.build(part, following)
        return following


class _Parser:
    """Recursive descent over: either = sequence ("|" sequence)*; sequence = (atom quantifier?)*."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0

    def parse(self) -> _Node:
        node = self._either()
        if self._at < len(self._text):
            raise self._wrong("a ) without its (")
        return node

    def _either(self) -> _Node:
        parts = [self._sequence()]
        while self._take("|"):
            parts.append(self._sequence())
        return parts[0] if len(parts) == 1 else _Node(_Kind.EITHER, parts=tuple(parts))

    def _sequence(self) -> _Node:
        parts: list[_Node] = []
        while self._at < len(self._text) and self._peek() not in "|)":
            parts.append(self._quantified(self._atom()))
        return _Node(_Kind.SEQUENCE, parts=tuple(parts))

    def _quantified(self, atom: _Node) -> _Node:
        span = self._quantifier()
        if span is None:
            return atom
        if atom.kind is _Kind.EDGE:
            raise self._wrong("^ and $ cannot be repeated")
        if self._peek() in ("?", "+", "*", "{"):
            raise self._wrong("lazy, possessive and doubled quantifiers are not supported")
        return _Node(_Kind.REPEAT, parts=(atom,), least=span[0], most=span[1])

    def _quantifier(self) -> tuple[int, int | None] | None:
        simple: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
        character = self._peek()
        if character in simple:
            self._at += 1
            return simple[character]
        if not self._take("{"):
            return None
        least = self._number()
        most: int | None = least
        if self._take(","):
            most = None if self._peek() == "}" else self._number()
        if not self._take("}") or (most is not None and most < least):
            raise self._wrong("a repeat is {m}, {m,} or {m,n}; write \\{ for the brace itself")
        return least, most

    def _number(self) -> int:
        start = self._at
        while self._peek().isdecimal():
            self._at += 1
        digits = self._text[start : self._at]
        if not digits.isascii() or not digits or len(digits) > 3 or int(digits) > MAX_REPEAT:
            raise self._wrong(f"a repeat counts from 0 to {MAX_REPEAT}; write \\{{ for the brace itself")
        return int(digits)

    def _atom(self) -> _Node:
        character = self._next()
        match character:
            case "(":
                return self._group()
            case "[":
                return _Node(_Kind.CHARACTER, self._class())
            case ".":
                return _Node(_Kind.CHARACTER, lambda other: other != "\n")
            case "^" | "$":
                return _Node(_Kind.EDGE, edge=Edge(character))
            case "\\":
                return _Node(_Kind.CHARACTER, self._escape())
            case "*" | "+" | "?" | "{":
                raise self._wrong(f"nothing to repeat before {character}")
            case _:
                return _Node(_Kind.CHARACTER, character.__eq__)

    def _group(self) -> _Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._wrong(f"groups are nested more than {MAX_DEPTH} deep")
        if self._take("?") and not self._take(":"):
            raise self._wrong("of the forms that begin with (? only (?:...) is supported")
        node = self._either()
        if not self._take(")"):
            raise self._wrong("a ( without its )")
        self._depth -= 1
        return node

    def _escape(self) -> Test:
        character = self._next()
        if character.lower() in _CLASSES:
            return _class_test(character)
        if character in _CONTROLS:
            return _CONTROLS[character].__eq__
        if character.isalnum():
            raise self._wrong(f"\\{character} is not supported")
        return character.__eq__

    def _class(self) -> Test:
        negated = self._take("^")
        tests: list[Test] = []
        while not tests or self._peek() != "]":
            tests.append(self._class_item())
        self._at += 1
        return lambda character: negated != any(test(character) for test in tests)

    def _class_item(self) -> Test:
        low = self._next()
        if low == "\\":
            if self._peek().lower() in _CLASSES:
                return _class_test(self._next())
            low = self._class_escape()
        if self._peek() != "-" or self._text[self._at + 1 : self._at + 2] in ("]", ""):
            return low.__eq__
        self._at += 1
        high = self._next()
        if high == "\\":
            high = self._class_escape()
        if high < low:
            raise self._wrong(f"the range {low}-{high} is empty")
        return lambda character: low <= character <= high

    def _class_escape(self) -> str:
        character = self._next()
        if character in _CONTROLS:
            return _CONTROLS[character]
        if character.isalnum():
            raise self._wrong(f"\\{character} is not supported here")
        return character

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _next(self) -> str:
        if self._at >= len(self._text):
            raise self._wrong("it ends too early")
        self._at += 1
        return self._text[self._at - 1]

    def _take(self, character: str) -> bool:
        if self._peek() != character:
            return False
        self._at += 1
        return True

    def _wrong(self, what: str) -> UsageError:
        return UsageError(f"pattern {self._text!r}, at character {self._at}: {what}")


def _class_test(character: str) -> Test:
    test = _CLASSES[character.lower()]
    if character.islower():
        return test
    return lambda other: not test(other)
