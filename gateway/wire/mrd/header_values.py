"""Typed access to the elements of an MRD header, with errors that name the place.

A number that is not one is an error: it would place or scale an image wrongly. A date or time that is not one is
passed on as it is: the image can be made, and who writes the DICOM object decides what an element can hold.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import TypeVar

from gateway.model.errors import MalformedData
from gateway.wire.mrd.markup import Element

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
# xs:date and xs:time with their optional time zone, which DICOM keeps elsewhere; DA and TM forms are let through.
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})(?:Z|[+-][0-9]{2}:[0-9]{2})?")
_TIME = re.compile(r"([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?(?:Z|[+-][0-9]{2}:[0-9]{2})?")
_TM_FRACTION_DIGITS = 6

Number = TypeVar("Number", int, float)


class Node:
    """An element and its path, such as `encoding/encodedSpace`."""

    __slots__ = ("_element", "path")

    def __init__(self, element: Element, path: str = "") -> None:
        self._element = element
        self.path = path

    def child(self, name: str) -> Node | None:
        """The first child of this name."""
        element = self._element.first(name)
        return None if element is None else Node(element, self._path(name))

    def required(self, name: str) -> Node:
        """The same, where it must be there. Raises MalformedData."""
        child = self.child(name)
        if child is None:
            raise MalformedData(f"MRD header: {self._path(name)} is missing")
        return child

    def children(self, name: str) -> list[Node]:
        """All children of this name."""
        return [Node(element, self._path(name)) for element in self._element.all(name)]

    def text(self, name: str) -> str:
        """Text of a child without outer blanks, empty where it is absent."""
        element = self._element.first(name)
        return "" if element is None else element.text.strip()

    def texts(self, name: str) -> tuple[str, ...]:
        """Text of every child of this name."""
        return tuple(element.text.strip() for element in self._element.all(name))

    def date(self, name: str) -> str:
        """A date as DICOM DA; what is no date, as it is."""
        text = self.text(name)
        match = _DATE.fullmatch(text)
        return "".join(match.groups()) if match else text

    def time(self, name: str) -> str:
        """A time as DICOM TM; what is no time, as it is."""
        text = self.text(name)
        match = _TIME.fullmatch(text)
        if match is None:
            return text
        fraction = (match[4] or "")[:_TM_FRACTION_DIGITS].rstrip("0")
        return f"{match[1]}{match[2]}{match[3]}" + (f".{fraction}" if fraction else "")

    def integer(self, name: str, low: int | None = None, high: int | None = None) -> int | None:
        """A whole number, None where it is absent or empty. Raises MalformedData outside `low` to `high`."""
        text = self.text(name)
        if not text:
            return None
        if _INTEGER.fullmatch(text) is None:
            raise MalformedData(f"MRD header: {self._path(name)} is not a whole number")
        value = int(text)
        if (low is not None and value < low) or (high is not None and value > high):
            raise MalformedData(f"MRD header: {self._path(name)} must be from {low} to {high}")
        return value

    def number(self, name: str) -> float | None:
        """A finite number, None where it is absent or empty. Raises MalformedData."""
        numbers = self.numbers(name)
        return numbers[0] if numbers else None

    def numbers(self, name: str) -> tuple[float, ...]:
        """Every child of this name that is not empty, as a finite number. Raises MalformedData."""
        return tuple(self._finite(name, text) for text in self.texts(name) if text)

    def required_integer(self, name: str, low: int, high: int) -> int:
        """A whole number that must be there. Raises MalformedData."""
        return self._present(name, self.integer(name, low, high))

    def required_number(self, name: str) -> float:
        """A finite number that must be there. Raises MalformedData."""
        return self._present(name, self.number(name))

    def one_of(self, name: str, allowed: Iterable[str]) -> str:
        """A word out of a list. Raises MalformedData."""
        text = self.text(name)
        if text not in allowed:
            raise MalformedData(f"MRD header: {self._path(name)} is not one of {', '.join(allowed)}")
        return text

    def _present(self, name: str, value: Number | None) -> Number:
        if value is None:
            raise MalformedData(f"MRD header: {self._path(name)} is missing")
        return value

    def _finite(self, name: str, text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise MalformedData(f"MRD header: {self._path(name)} is not a number") from None
        if not math.isfinite(value):
            raise MalformedData(f"MRD header: {self._path(name)} is not finite")
        return value

    def _path(self, name: str) -> str:
        return f"{self.path}/{name}" if self.path else name
