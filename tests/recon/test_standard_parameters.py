"""Shared parameters: every default is allowed, and lists have one text."""

from __future__ import annotations

import pytest

from gateway.model.errors import UsageError
from gateway.recon.parameters import Parameter, canonical
from gateway.recon.standard_parameters import STANDARD, standard


@pytest.mark.parametrize("parameter", STANDARD.values(), ids=lambda parameter: parameter.name)
def test_the_default_of_every_parameter_is_one_of_its_values(parameter: Parameter) -> None:
    text = canonical({"it": parameter.default})["it"]
    assert parameter.parse(text) == parameter.default


def test_outputs_are_a_list_with_one_text() -> None:
    outputs = standard("outputs", extra_choices=("gfactor",))
    value = outputs.parse(" gfactor, phase,magnitude ,phase")
    assert value == ("magnitude", "phase", "gfactor")
    assert canonical({"outputs": value}) == {"outputs": "magnitude,phase,gfactor"}


@pytest.mark.parametrize("text", ["", "magnitude,", "gfactor", "magnitude;phase"])
def test_other_outputs_are_refused_with_those_that_there_are(text: str) -> None:
    with pytest.raises(UsageError, match="outputs must be any of magnitude, phase, real, imaginary, complex"):
        standard("outputs").parse(text)


def test_a_method_may_have_another_default() -> None:
    assert standard("lambda", default=0.5).default == 0.5
    assert STANDARD["lambda"].default == 0.001
