"""Certificates for tests: an authority, and pairs of certificate and key on disk."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Pair:
    """PEM files of one owner."""

    certificate: Path
    key: Path


class Authority:
    """Issues certificates into a folder; `file` is its own."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._ca = trustme.CA()
        self._folder = folder
        folder.mkdir(exist_ok=True)
        self.file = folder / f"{name}.pem"
        self._ca.cert_pem.write_to_path(self.file)

    def issue(self, name: str, *identities: str, ends: datetime.datetime | None = None) -> Pair:
        """A certificate for these names and addresses (127.0.0.1 and localhost where none is given)."""
        made = self._ca.issue_cert(*(identities or ("127.0.0.1", "localhost")), common_name=name, not_after=ends)
        pair = Pair(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        certificate = b"".join(blob.bytes() for blob in made.cert_chain_pems)
        pair.certificate.write_bytes(certificate)
        pair.key.write_bytes(made.private_key_pem.bytes())
        return pair
