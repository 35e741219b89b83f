"""How counts are told in the words of commands and of `gateway status`."""

from __future__ import annotations


def counted(count: int, noun: str, plural: str = "") -> str:
    """A count with its noun: "1 image", "2 images". `plural` where it takes more than an s."""
    return f"{count} {noun if count == 1 else plural or f'{noun}s'}"
