"""Counts in words."""

from __future__ import annotations

import pytest

from gateway.admin.words import counted


@pytest.mark.parametrize(
    ("count", "noun", "plural", "told"),
    [(0, "image", "", "0 images"), (1, "study", "studies", "1 study"), (2, "study", "studies", "2 studies")],
)
def test_one_is_singular(count: int, noun: str, plural: str, told: str) -> None:
    assert counted(count, noun, plural) == told
