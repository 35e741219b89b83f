"""Contexts made of files: what they agree on, what they refuse, and that they follow the files."""

from __future__ import annotations

import datetime
import ssl
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.model.errors import UsageError
from gateway.net.tls import ClientAuth, Credentials, TlsFiles
from tests.net.certificates import Authority

Agreed = tuple[str, str]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Whose certificates everybody here trusts."""
    return Authority(tmp_path)


@pytest.fixture
def files(authority: Authority) -> TlsFiles:
    """A node that asks its callers for a certificate."""
    pair = authority.issue("node")
    return TlsFiles(pair.certificate, pair.key, authority.file)


def agree(client: ssl.SSLContext, server: ssl.SSLContext) -> Agreed:
    """A handshake in memory; version and suite."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    caller = client.wrap_bio(back, there, server_hostname="localhost")
    callee = server.wrap_bio(there, back, server_side=True)
    for _ in range(4):
        for side in (caller, callee):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    caller.write(b"x")
    assert callee.read(1) == b"x"
    cipher = caller.cipher()
    return caller.version() or "", cipher[0] if cipher else ""


def test_two_nodes_agree_on_the_newest(files: TlsFiles) -> None:
    credentials = Credentials(files)
    version, _ = agree(credentials.client(pinned=False), credentials.server())
    assert version == "TLSv1.3"


def test_of_tls_1_2_every_suite_has_forward_secrecy_and_is_authenticated(files: TlsFiles) -> None:
    credentials = Credentials(files)
    for context in (credentials.server(), credentials.client(pinned=True), credentials.client(pinned=False)):
        old = [cipher["name"] for cipher in context.get_ciphers() if cipher["protocol"] != "TLSv1.3"]
        assert old
        assert all(name.startswith("ECDHE-") and ("GCM" in name or "CHACHA20" in name) for name in old)
        assert context.options & ssl.OP_NO_COMPRESSION
        assert context.options & ssl.OP_NO_RENEGOTIATION
    client = credentials.client(pinned=False)
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    version, cipher = agree(client, credentials.server())
    assert version == "TLSv1.2"
    assert cipher.startswith("ECDHE-")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1")
@pytest.mark.parametrize(
    ("versions", "ciphers"),
    [
        ((ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_1), "ALL:@SECLEVEL=0"),
        ((ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2), "AES128-SHA256:AES256-GCM-SHA384"),
        ((ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2), "ECDHE-RSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA256"),
    ],
)
def test_what_is_weaker_is_refused(
    versions: tuple[ssl.TLSVersion, ssl.TLSVersion], ciphers: str, files: TlsFiles
) -> None:
    weak = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    weak.check_hostname, weak.verify_mode = False, ssl.CERT_NONE
    weak.minimum_version, weak.maximum_version = versions
    weak.set_ciphers(ciphers)
    with pytest.raises(ssl.SSLError):
        agree(weak, Credentials(replace(files, client_auth=ClientAuth.NONE)).server())


def test_a_replaced_pair_is_used_at_the_next_handshake(files: TlsFiles, authority: Authority) -> None:
    credentials = Credentials(files)
    before = credentials.server()
    assert credentials.server() is before
    ends = datetime.datetime(2044, 1, 1, tzinfo=datetime.UTC)
    authority.issue("node", ends=ends)
    assert credentials.server() is not before
    assert (credentials.fault, credentials.not_after) == ("", ends)


def half(files: TlsFiles) -> None:
    """A certificate that is being written."""
    assert files.certificate
    files.certificate.write_bytes(files.certificate.read_bytes()[:300])


def another_key(files: TlsFiles) -> None:
    """The key of another certificate."""
    assert files.key
    other = Authority(files.key.parent / "other").issue("other")
    files.key.write_bytes(other.key.read_bytes())


def gone(files: TlsFiles) -> None:
    """No key."""
    assert files.key
    files.key.unlink()


def no_authority(files: TlsFiles) -> None:
    """A file of authorities without any."""
    assert files.authorities
    files.authorities.write_text("nobody")


SPOILED = pytest.mark.parametrize(
    ("spoil", "named"),
    [(half, "tls_cert"), (another_key, "tls_key"), (gone, "tls_key"), (no_authority, "tls_ca")],
)


@SPOILED
def test_a_pair_that_cannot_be_used_leaves_the_one_before_it(
    spoil: Callable[[TlsFiles], None], named: str, files: TlsFiles, authority: Authority
) -> None:
    credentials = Credentials(files)
    before, ends = credentials.server(), credentials.not_after
    spoil(files)
    assert credentials.server() is before
    assert named in credentials.fault
    assert credentials.not_after == ends
    authority.issue("node")
    if spoil is no_authority:
        assert files.authorities
        Authority(files.authorities.parent)
    assert credentials.server() is not before
    assert credentials.fault == ""


@SPOILED
def test_at_the_start_it_is_an_error_that_names_the_setting(
    spoil: Callable[[TlsFiles], None], named: str, files: TlsFiles
) -> None:
    spoil(files)
    with pytest.raises(UsageError, match=named):
        Credentials(files)


def test_a_key_with_a_passphrase_is_refused_without_asking_for_it(files: TlsFiles) -> None:
    from cryptography.hazmat.primitives import serialization

    assert files.key
    key = serialization.load_pem_private_key(files.key.read_bytes(), None)
    closed = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.BestAvailableEncryption(b"secret"),
    )
    files.key.write_bytes(closed)
    with pytest.raises(UsageError, match="tls_key"):
        Credentials(files)


def test_without_a_certificate_there_is_nothing_to_accept_with() -> None:
    credentials = Credentials(TlsFiles())
    assert credentials.not_after is None
    assert credentials.client(pinned=False).check_hostname
    assert not credentials.client(pinned=True).check_hostname
    with pytest.raises(UsageError, match="tls_cert"):
        credentials.server()
