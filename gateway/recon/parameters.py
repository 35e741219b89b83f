"""Parameters of a reconstruction method: from text to typed values, checked, and back to one canonical text."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.model.errors import UsageError

Value = bool | int | float | str | tuple[str, ...]

_LONGEST_NAME = 40  # of a name in a message; ours are shorter
_BOOLEANS: Mapping[str, bool] = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter by name.

    `type` is bool, int, float or str; `choices` lists the values of a str (empty: any); `minimum` and `maximum` are
    inclusive bounds of a number. `pattern` is what a text must match as a whole, `words` what that means. With `many`
    the value is a tuple of choices, each once, written with commas.
    """

    name: str
    type: type[bool] | type[int] | type[float] | type[str]
    default: Value
    help: str
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    many: bool = False
    pattern: str = ""
    words: str = ""

    @property
    def range(self) -> str:
        """What is allowed, in words."""
        if self.type is bool:
            return "true or false"
        if self.choices:
            return ("any of " if self.many else "one of ") + ", ".join(self.choices)
        if self.words:
            return self.words
        bounds = [f"at least {self.minimum:g}"] if self.minimum is not None else []
        bounds += [f"at most {self.maximum:g}"] if self.maximum is not None else []
        kind = {int: "a whole number", float: "a number"}.get(self.type, "text")
        return " ".join((kind, " and ".join(bounds))).strip()

    def parse(self, text: str) -> Value:
        """The value of `text`. Raises `UsageError` naming the parameter and its range, not the text."""
        value = self._listed(text) if self.many else self._converted(text.strip())
        if value is None or not self._allowed(value):
            raise UsageError(f"parameter {self.name} must be {self.range}")
        return value

    def _listed(self, text: str) -> Value | None:
        """Every name once, in the order of the choices: the same wish has one text."""
        names = {name.strip() for name in text.split(",")}
        return tuple(name for name in self.choices if name in names) if names <= set(self.choices) else None

    def _converted(self, text: str) -> Value | None:
        if self.type is str:
            return text
        if self.type is bool:
            return _BOOLEANS.get(text.casefold())
        try:
            return self.type(text)
        except ValueError:
            return None

    def _allowed(self, value: Value) -> bool:
        if isinstance(value, tuple):
            return bool(value)
        if isinstance(value, str):
            matches = not self.pattern or re.fullmatch(self.pattern, value) is not None
            return matches and (not self.choices or value in self.choices)
        if isinstance(value, float) and not math.isfinite(value):
            return False
        above = self.minimum is None or value >= self.minimum
        return above and (self.maximum is None or value <= self.maximum)


def parse(parameters: Sequence[Parameter], given: Mapping[str, str]) -> Mapping[str, Value]:
    """Every parameter with its value, the default where none was given. Raises `UsageError`."""
    known = {parameter.name: parameter for parameter in parameters}
    for name in given:
        if name not in known:
            raise UsageError(f"no parameter {shown(name)}; known are {', '.join(known) or 'none'}")
    return {
        name: parameter.parse(given[name]) if name in given else parameter.default for name, parameter in known.items()
    }


def canonical(values: Mapping[str, object]) -> Mapping[str, str]:
    """The one text of each value, sorted by name: part of the identity of what was derived."""
    return {name: text_of(values[name]) for name in sorted(values)}


def shown(name: str) -> str:
    """A name that somebody else chose, for a message: quoted, escaped and short."""
    return ascii(name[:_LONGEST_NAME])


def text_of(value: object) -> str:
    """The canonical text of a value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ",".join(value)
    return repr(value) if isinstance(value, float) else str(value)
