"""The two forms in which clients give parameters."""

from __future__ import annotations

import pytest

from gateway.model.errors import MalformedData
from gateway.wire.mrd.client_parameters import ClientParameters, client_parameters


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"method": "cs", "set": {"a": 1, "b": 2.5, "c": true, "d": " x "}}',
         ClientParameters("cs", {"a": "1", "b": "2.5", "c": "true", "d": "x"})),
        ('{"set": {}}', ClientParameters()),
        ('{"version": "1.1.0", "parameters": {"config": "", "customconfig": "", "options": "complex"}}',
         ClientParameters(hints={"options": "complex"})),
        ('{"parameters": {"config": "simplefft", "sendOriginal": "False"}}',
         ClientParameters("simplefft", hints={"sendOriginal": "False"})),
        ('{"parameters": {"config": "a", "customconfig": "b"}}', ClientParameters("b")),
    ],
)  # fmt: skip
def test_reads_both_forms(text: str, expected: ClientParameters) -> None:
    assert client_parameters(text) == expected


@pytest.mark.parametrize("text", ["", "hello", "[]", "3", '{"a": 1}', "{", "[" * 100_000])
def test_other_texts_are_none(text: str) -> None:
    assert client_parameters(text) is None


@pytest.mark.parametrize("text", ['{"set": []}', '{"set": {"a": null}}', '{"method": 3}', '{"parameters": "x"}'])
def test_what_cannot_be_meant_is_malformed(text: str) -> None:
    with pytest.raises(MalformedData):
        client_parameters(text)
