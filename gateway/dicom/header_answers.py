"""Keys that the index has no column for, matched and answered from a kept header: PS3.4 C.2.2.2.6 for sequences.

What the header left out, values above 4 KiB and sequences above 64 KiB, counts as absent.
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway.dicom.answers import Item, Value, is_writable
from gateway.dicom.elements import Elements
from gateway.dicom.identifier import DEEPEST_KEY
from gateway.dicom.matching import Asked, meets
from gateway.model.errors import LimitExceeded, MalformedData


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
