"""Text decoding against pydicom and against the examples of PS3.5 annexes H, I, J and K."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.charset import decode_bytes, python_encoding

from gateway.dicom.charset import text_decoder, text_encoder

JAPANESE_H_3 = b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J"
KOREAN_I_2 = b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf"
CHINESE_J_1 = b"Wang^XiaoDong=\xe7\x8e\x8b^\xe5\xb0\x8f\xe6\x9d\xb1="
CHINESE_K_1 = b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab="


@pytest.mark.parametrize(
    ("character_set", "value", "text"),
    [
        (b"", b"Doe^Jane", "Doe^Jane"),
        (b"ISO_IR 100 ", b"Buc^J\xe9r\xf4me", "Buc^Jérôme"),
        (b"ISO_IR 144", b"\xbb\xee\xda", "Люк"),
        (b"ISO_IR 192\0", "Zoë^王".encode(), "Zoë^王"),
        (b"GB18030", b"Wang=\xcd\xf5^\xd0\xa1\xb6\xab=", "Wang=王^小东="),
        (b"ISO 2022 IR 13\\ISO 2022 IR 87", JAPANESE_H_3, "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
        (b"\\ISO 2022 IR 149", KOREAN_I_2, "Hong^Gildong=洪^吉洞=홍^길동"),
        (b"ISO_IR 192", CHINESE_J_1, "Wang^XiaoDong=王^小東="),
        (b"\\ISO 2022 IR 58", CHINESE_K_1, "Zhang^XiaoDong=张^小东="),
    ],
)
def test_text(character_set: bytes, value: bytes, text: str) -> None:
    assert text_decoder(character_set).decode(value) == text


def test_a_delimiter_goes_back_to_the_first_character_set() -> None:
    decoder = text_decoder(b"ISO 2022 IR 100\\ISO 2022 IR 144")
    assert decoder.decode(b"\x1b-L\xbb\xee\xda\\\xe9") == "Люк\\é"


def test_a_backslash_inside_a_two_byte_character_is_no_separator() -> None:
    assert text_decoder(b"GBK").decode(b"\x81\x5c\\B").split("\\") == ["乗", "B"]


@pytest.mark.parametrize("spelling", [b"ISO_IR 100", b"ISO-IR 100", b"ISO IR 100", b"iso_ir 100", b"ISO_IR_100"])
def test_spellings_of_a_defined_term(spelling: bytes) -> None:
    assert text_decoder(spelling).decode(b"\xe9") == "é"


def test_an_unknown_character_set_loses_no_byte() -> None:
    assert text_decoder(b"KOI8").decode(b"A\xe9") == "Aé"


@pytest.mark.parametrize("term", sorted(set(python_encoding) - {"", "ISO 2022 58"}))
def test_every_defined_term_of_pydicom_is_decoded_as_pydicom_does(term: str) -> None:
    value = bytes(range(0xA1, 0xF0))
    theirs = value.decode(python_encoding[term], "replace")
    assert text_decoder(term.encode()).decode(value) == theirs


@given(
    st.sampled_from(["\\ISO 2022 IR 87", "\\ISO 2022 IR 149", "ISO 2022 IR 13\\ISO 2022 IR 87", "ISO_IR 192"]),
    st.binary(max_size=40),
)
def test_never_fails_and_agrees_with_pydicom_on_plain_text(terms: str, value: bytes) -> None:
    text = text_decoder(terms.encode()).decode(value)
    if value.isascii() and b"\x1b" not in value:
        assert text == decode_bytes(value, [python_encoding[terms.split("\\")[0]]], set())


@pytest.mark.parametrize(
    ("character_set", "value", "text"),
    [
        ("ISO_IR 100", b"Buc^J\xe9r\xf4me", "Buc^Jérôme"),
        ("ISO_IR 13", b"\xd4\xcf\xc0\xde", "ﾔﾏﾀﾞ"),
        ("ISO_IR 192", "Zoë^王".encode(), "Zoë^王"),
        ("GB18030", b"Wang=\xcd\xf5^\xd0\xa1\xb6\xab=", "Wang=王^小东="),
        ("ISO 2022 IR 13\\ISO 2022 IR 87", JAPANESE_H_3, "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
        ("\\ISO 2022 IR 149", KOREAN_I_2, "Hong^Gildong=洪^吉洞=홍^길동"),
        ("\\ISO 2022 IR 58", CHINESE_K_1, "Zhang^XiaoDong=张^小东="),
        ("ISO 2022 IR 100\\ISO 2022 IR 144", b"\x1b-L\xbb\xee\xda\\\xe9", "Люк\\é"),
    ],
)
def test_text_is_encoded_as_the_standard_has_it(character_set: str, value: bytes, text: str) -> None:
    assert text_encoder(character_set).encode(text) == value


@pytest.mark.parametrize(
    ("character_set", "text"),
    [("ISO_IR 100", "Люк"), ("", "é"), ("ISO_IR 13", "山"), ("\\ISO 2022 IR 159", "山"), ("KOI8", "é")],
)
def test_what_a_character_set_does_not_have_is_not_written_in_it(character_set: str, text: str) -> None:
    with pytest.raises(UnicodeEncodeError):
        text_encoder(character_set).encode(text)
