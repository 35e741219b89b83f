"""Objects for rules to look at."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from gateway.model.errors import MalformedData


class Given:
    """A subject with these values; a key whose values are None is there and cannot be read."""

    def __init__(self, values: Mapping[str, tuple[str, ...] | None]) -> None:
        self._values = values

    def values(self, key: str) -> tuple[str, ...] | None:
        found = self._values.get(key, ())
        if found is None:
            raise MalformedData("the element contradicts itself")
        return found or None


@pytest.fixture
def given() -> type[Given]:
    return Given
