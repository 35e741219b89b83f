"""UIDs: what is legal, and derived ones."""

from __future__ import annotations

from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import UID

from gateway.dicom.uids import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    derived_uid,
    is_usable,
    is_valid,
)

PARTS = st.lists(st.text(max_size=8) | st.binary(max_size=8), max_size=4)


@pytest.mark.parametrize(
    "uid", ["", ".", "1.", ".1", "1..2", "1.02", "1.2.x", "../../x", "1.2 ", "1.2\0", "1.2\n", "1" * 65, "1.2/3", "١.٢"]
)
def test_illegal(uid: str) -> None:
    assert not is_valid(uid)


@pytest.mark.parametrize("uid", ["0", "1.0.2", "1.2.840.10008.1.1", "2.25." + "9" * 39, "1" * 64])
def test_legal(uid: str) -> None:
    assert is_valid(uid)


@given(st.text(alphabet="0123.", max_size=70))
def test_legal_is_what_pydicom_calls_valid(uid: str) -> None:
    assert is_valid(uid) is (UID(uid, 0).is_valid and uid != "")


def test_what_names_an_object_is_usable_and_what_could_be_more_than_a_name_is_not() -> None:
    assert all(map(is_usable, ["1.2.003", "0f" * 32, "1..2"]))
    assert not any(map(is_usable, ["", "../../x", "1.2\n", "1.2\0", "1 2", "1" * 65]))


@given(PARTS)
def test_a_derived_uid_is_a_legal_version_8_uuid(parts: list[str | bytes]) -> None:
    uid = derived_uid(*parts)
    uuid = UUID(int=int(uid.removeprefix("2.25.")))
    assert is_valid(uid)
    assert (uuid.version, uuid.variant) == (8, RFC_4122)


@given(PARTS, PARTS)
def test_only_the_same_parts_give_the_same_uid(left: list[str | bytes], right: list[str | bytes]) -> None:
    assert (derived_uid(*left) == derived_uid(*right)) is (left == right)


def test_parts_do_not_run_together() -> None:
    assert derived_uid("ab", "c") != derived_uid("a", "bc")
    assert derived_uid("a") != derived_uid(b"a")
    assert derived_uid("a", "") != derived_uid("a")


def test_derived_uids_are_the_same_in_every_version() -> None:
    assert derived_uid("scan", b"\x01\x02") == "2.25.112975631625381843935606892479706720342"


def test_our_own() -> None:
    assert is_valid(IMPLEMENTATION_CLASS_UID)
    assert len(IMPLEMENTATION_VERSION_NAME) <= 16
