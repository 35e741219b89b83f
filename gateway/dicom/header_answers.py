"""Keys that the index has no column for, matched and answered from a kept header: PS3.4 C.2.2.2.6 for sequences.

What the header left out, values above 4 KiB and sequences above 64 KiB, counts as absent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gateway.dicom.answers import Item, Value, is_writable
from gateway.dicom.elements import Elements
from gateway.dicom.encoding import encoding_of
from gateway.dicom.identifier import DEEPEST_KEY
from gateway.dicom.matching import Asked, meets
from gateway.dicom.transfer_syntaxes import transfer_syntax
from gateway.model.criteria import Empty
from gateway.model.errors import LimitExceeded, MalformedData


class Headers:
    """The kept headers that speak for one entity, each with the transfer syntax it is in; read when they are needed.

    The first that has a value gives it, and one that meets a key is enough.
    """

    def __init__(self, kept: Sequence[tuple[bytes, str]]) -> None:
        self._kept = list(kept)
        self._read: list[Elements] = []

    def answer(self, key: Asked) -> Value:
        """The value of a key; empty where none has one."""
        return next((value for elements in self._all() if (value := answer(elements, key))), "")

    def matches(self, key: Asked) -> bool:
        """Whether the entity meets a key. Absent is what no header has."""
        if isinstance(key.criterion, Empty):
            return all(matches(elements, key) for elements in self._all())
        return not key.selects or any(matches(elements, key) for elements in self._all())

    def _all(self) -> Iterator[Elements]:
        """A header that cannot be walked says nothing."""
        yield from self._read
        while self._kept:
            data, transfer_syntax_uid = self._kept.pop(0)
            try:
                self._read.append(Elements(data, encoding_of(transfer_syntax(transfer_syntax_uid))))
            except (MalformedData, LimitExceeded):
                continue
            yield self._read[-1]


def matches(elements: Elements, key: Asked) -> bool:
    """Whether the element meets the key; of a sequence, whether one item meets every key of the key's item."""
    if key.vr == "SQ":
        return not key.selects or any(_item_matches(item, key) for item in _items(elements, key.tag))
    return key.criterion is None or meets(key.criterion, _values(elements, key.tag))


def answer(elements: Elements, key: Asked) -> Value:
    """The element's value, empty when it is absent. Of a sequence the items that match, with what was asked of them.

    An item without keys asks for whole items.
    """
    if key.vr != "SQ":
        return "\\".join(_values(elements, key.tag))
    items = _items(elements, key.tag)
    if not key.item:
        return tuple(Item(tuple(_whole(item, depth=1))) for item in items)
    wanted = [each for each in key.item if is_writable(each.vr)]
    return tuple(
        Item(tuple((each.tag, each.vr, answer(item, each)) for each in wanted))
        for item in items
        if _item_matches(item, key)
    )


def _item_matches(item: Elements, sequence: Asked) -> bool:
    return all(matches(item, key) for key in sequence.item)


def _whole(item: Elements, depth: int) -> Iterator[tuple[int, str, Value]]:
    """Every element that can be written; sequences nested deeper than keys may be are left out."""
    for tag in sorted(item):
        vr = item.vr(tag)
        if vr == "SQ" and depth < DEEPEST_KEY:
            yield tag, vr, tuple(Item(tuple(_whole(each, depth + 1))) for each in _items(item, tag))
        elif vr != "SQ" and is_writable(vr) and tag & 0xFFFF:
            yield tag, vr, "\\".join(_values(item, tag))


def _values(elements: Elements, tag: int) -> tuple[str, ...]:
    """What cannot be read is as good as absent: an object that contradicts itself stops no query."""
    try:
        return elements.values(tag) or ()
    except MalformedData:
        return ()


def _items(elements: Elements, tag: int) -> tuple[Elements, ...]:
    try:
        return elements.items(tag)
    except (MalformedData, LimitExceeded):
        return ()
