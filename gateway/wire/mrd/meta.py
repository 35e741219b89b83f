"""Attributes of an image: the XML of an MRD meta container, name → values.

Source: https://ismrmrd.readthedocs.io/en/latest/mrd_image_data.html#metaattributes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.sax.saxutils import escape

from gateway.model.errors import MalformedData
from gateway.wire.mrd.markup import parse_markup

_ROOT = "ismrmrdMeta"
# Characters that XML 1.0 cannot carry, not even as references.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def decode_meta(data: bytes) -> dict[str, tuple[str, ...]]:
    """Attributes from their XML; several entries of one name are joined. Raises MalformedData, LimitExceeded."""
    data = data.rstrip(b"\0")
    if not data.strip():
        return {}
    root = parse_markup(data, "image attributes")
    if root.name != _ROOT:
        raise MalformedData(f"image attributes: root element is {root.name[:64]}, not {_ROOT}")
    attributes: dict[str, tuple[str, ...]] = {}
    for entry in root.all("meta"):
        name = entry.first("name")
        if name is None:
            raise MalformedData("image attributes: meta without name")
        values = tuple(value.text for value in entry.all("value"))
        attributes[name.text] = attributes.get(name.text, ()) + values
    return attributes


def encode_meta(attributes: Mapping[str, tuple[str, ...]]) -> bytes:
    """The XML of `attributes`, nothing at all for none. Raises ValueError for characters that XML cannot carry."""
    if not attributes:
        return b""
    parts = [f'<?xml version="1.0" encoding="UTF-8"?>\n<{_ROOT}>\n']
    for name, values in attributes.items():
        entries = "".join(f"<value>{_escaped(value)}</value>" for value in values)
        parts.append(f"<meta><name>{_escaped(name)}</name>{entries}</meta>\n")
    parts.append(f"</{_ROOT}>")
    return "".join(parts).encode()


def _escaped(text: str) -> str:
    if _FORBIDDEN.search(text):
        raise ValueError("image attribute holds a character that XML cannot carry")
    return escape(text, {"\r": "&#13;"})
