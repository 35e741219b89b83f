"""Names made comparable."""

from __future__ import annotations

import pytest

from gateway.model.person_name import folded, groups, sound, sounds, words


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Roe^Jane", "ROE^jane^^"),
        ("Roe ^ Jane", "roe^jane"),
        ("Buc^Je\u0301ro\u0302me", "Buc^Jérôme"),
        ("Strauß^Ida", "STRAUSS^Ida"),
        ("ﾔﾏﾀﾞ^ﾀﾛｳ", "ヤマダ^タロウ"),
        ("Ｙamada", "yamada"),
    ],
)
def test_what_is_the_same_name(one: str, other: str) -> None:
    assert folded(one) == folded(other)


def test_accents_tell_names_apart() -> None:
    assert folded("Müller") != folded("Muller")


def test_groups() -> None:
    assert groups("Yamada^Tarou=山田^太郎=やまだ^たろう") == ("yamada^tarou", "山田^太郎", "やまだ^たろう")
    assert groups("Roe") == ("roe", "", "")
    assert groups("=山田") == ("", "山田", "")


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("robert", "R163"),
        ("rupert", "R163"),
        ("ashcraft", "A261"),
        ("tymczak", "T522"),
        ("pfister", "P236"),
        ("lee", "L000"),
    ],
)
def test_soundex(word: str, code: str) -> None:
    assert sound(word) == code


def test_sounds_hold_words_and_their_codes_without_accents() -> None:
    assert words("Müller-Lüdenscheidt^Karl=山田") == ["muller", "ludenscheidt", "karl", "山田"]
    assert " M460 " in sounds("Müller^Karl")
    assert " muller " in sounds("Müller^Karl")
    assert sounds("") == ""
