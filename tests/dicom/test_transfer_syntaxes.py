"""The table of transfer syntaxes against pydicom's."""

from __future__ import annotations

import pytest
from pydicom.uid import UID, AllTransferSyntaxes

from gateway.dicom.transfer_syntaxes import ACCEPTED, TRANSFER_SYNTAXES, transfer_syntax
from gateway.model.errors import Unsupported


def test_every_transfer_syntax_that_pydicom_knows_is_there() -> None:
    assert set(AllTransferSyntaxes) <= set(TRANSFER_SYNTAXES)


@pytest.mark.parametrize("uid", sorted(set(AllTransferSyntaxes) & set(ACCEPTED)))
def test_flags_are_those_of_pydicom(uid: str) -> None:
    row, theirs = TRANSFER_SYNTAXES[uid], UID(uid)
    assert row.name == theirs.name
    assert row.explicit is not theirs.is_implicit_VR
    assert row.big_endian is not theirs.is_little_endian
    assert row.retired is theirs.is_retired
    if "JPIP" not in row.name:  # which pydicom counts as encapsulated, though PS3.5 A.6 has no pixels at all
        assert row.deflated is theirs.is_deflated
        assert row.encapsulated is theirs.is_encapsulated


def test_the_uncompressed_ones_come_first() -> None:
    assert ACCEPTED[:2] == ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1")


@pytest.mark.parametrize("uid", ["1.2.840.10008.1.2.6.2", "1.2.840.10008.1.2.7.1", "1.2.3", "", "x" * 500])
def test_what_encodes_no_data_set_is_refused_by_name(uid: str) -> None:
    with pytest.raises(Unsupported):
        transfer_syntax(uid)
