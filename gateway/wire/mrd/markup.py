"""XML that a stranger sent, as a tree of plain values.

A document type declaration is refused at its first character, and with it every entity that could expand; elements,
depth and nothing else are counted, for the length of the text is capped where it arrives. Names lose their namespace:
senders differ in the prefix and some leave it out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.parsers import expat

from gateway.model.errors import LimitExceeded, MalformedData

# A header of 128 coils and a vendor's protocol has some 5,000 elements; an element costs a few hundred bytes here.
MAX_ELEMENTS = 200_000
# `ismrmrdHeader` is six levels deep.
MAX_DEPTH = 32


@dataclass(slots=True)
class Element:
    """An element: its local name, the text directly in it, and its children in their order."""

    name: str
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def all(self, name: str) -> list[Element]:
        """The children of this name."""
        return [child for child in self.children if child.name == name]

    def first(self, name: str) -> Element | None:
        """The first child of this name."""
        return next((child for child in self.children if child.name == name), None)


def parse_markup(data: bytes, what: str, encoding: str | None = None) -> Element:
    """The root of a document in `encoding`, or without it in the one that the document declares (else UTF-8).

    `what` names the document in errors. Raises MalformedData, LimitExceeded.
    """
    builder = _Builder(what)
    parser = expat.ParserCreate(encoding, namespace_separator="\n")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = builder.doctype
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.text
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise MalformedData(f"{what}: {reason} at line {error.lineno}, column {error.offset}") from None
    except (LookupError, ValueError) as error:  # an encoding that Python does not know, or a many-byte one
        raise MalformedData(f"{what}: the declared encoding is not supported") from error
    return builder.root


class _Builder:
    """Collects what the parser reports."""

    def __init__(self, what: str) -> None:
        self.root = Element("")
        self._what = what
        self._open: list[tuple[Element, list[str]]] = []
        self._count = 0

    def doctype(self, *_: object) -> None:
        raise MalformedData(f"{self._what}: a document type declaration is not taken")

    def start(self, name: str, _: dict[str, str]) -> None:
        self._count += 1
        if self._count > MAX_ELEMENTS or len(self._open) >= MAX_DEPTH:
            raise LimitExceeded(f"{self._what}: more than {MAX_ELEMENTS} elements or {MAX_DEPTH} levels")
        element = Element(name.rpartition("\n")[2])
        if self._open:
            self._open[-1][0].children.append(element)
        else:
            self.root = element
        self._open.append((element, []))

    def end(self, _: str) -> None:
        element, pieces = self._open.pop()
        element.text = "".join(pieces)

    def text(self, data: str) -> None:
        self._open[-1][1].append(data)
