"""Help texts are wrapped by the terminal, not by the source."""

from __future__ import annotations

from gateway.cli.help_text import unwrapped


def test_paragraphs_and_points_of_a_list_stay_lines_and_wrapped_ones_become_one() -> None:
    text = """First line
    and its rest.

    Examples: one of
    --several
    - two
    """
    assert unwrapped(text) == "First line and its rest.\n\nExamples: one of --several\n- two"
