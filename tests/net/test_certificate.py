"""Reading a certificate's end and fingerprint, beside OpenSSL's view of them."""

from __future__ import annotations

import datetime
import subprocess
from pathlib import Path

import pytest

from gateway.net.certificate import fingerprint, first_certificate, not_after
from tests.net.certificates import Authority


@pytest.mark.parametrize("year", [2031, 2049, 2050, 2061])
def test_the_end_is_what_openssl_says(year: int, tmp_path: Path) -> None:
    """From 2050 on a time is written in another type (RFC 5280, 4.1.2.5)."""
    ends = datetime.datetime(year, 2, 3, 4, 5, 6, tzinfo=datetime.UTC)
    pair = Authority(tmp_path).issue("node", ends=ends)
    certificate = first_certificate(pair.certificate.read_text())
    assert not_after(certificate) == ends
    line = ["openssl", "x509", "-noout", "-fingerprint", "-sha256", "-in", str(pair.certificate)]
    said = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    assert said.strip().rpartition("=")[2].replace(":", "").lower() == fingerprint(certificate)


@pytest.mark.parametrize("text", ["", "-----BEGIN CERTIFICATE-----", "no certificate"])
def test_a_file_without_a_certificate(text: str) -> None:
    with pytest.raises(ValueError, match="no certificate"):
        first_certificate(text)


@pytest.mark.parametrize("cut", [0, 1, 5, 40, 90, 130])
def test_what_is_cut_off_is_no_certificate(cut: int, tmp_path: Path) -> None:
    certificate = first_certificate(Authority(tmp_path).file.read_text())
    with pytest.raises(ValueError, match=r"X\.509|unpack|data"):
        not_after(certificate[:cut])
