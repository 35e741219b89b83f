"""Calling over TLS: DCMTK's storescp as the other side, and which certificates are taken for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.model.errors import ConnectionLost, TlsFault
from gateway.model.peer import Peer
from gateway.net.certificate import fingerprint, first_certificate
from gateway.net.tls import Credentials, TlsFiles
from gateway.scu.association import Destination
from gateway.scu.calling import Calling
from gateway.scu.echo import verify
from tests.net.certificates import Authority, Pair

pytestmark = pytest.mark.interop

PEER = Peer(1, "store", "STORE", "127.0.0.1", 1, tls=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Whom both sides trust."""
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def store(authority: Authority) -> Pair:
    """The certificate of the other side."""
    return authority.issue("store")


@pytest.fixture
def other_side(start_storescp: Callable[..., Destination], authority: Authority, store: Pair) -> Destination:
    """storescp under TLS, which wants to see a certificate."""
    return start_storescp("+tls", str(store.key), str(store.certificate), "+cf", str(authority.file))


def calling(files: TlsFiles) -> Calling:
    """This node with these files."""
    return Calling("GATEWAY", 1 << 14, lambda: Credentials(files))


def reach(where: Destination, files: TlsFiles, **entry: str) -> float:
    """A C-ECHO as the entry of the peers table says."""
    peer = replace(PEER, port=where.port, **entry)  # type: ignore[arg-type]
    return verify(replace(calling(files).destination(peer), deadlines=where.deadlines))


def test_both_sides_show_their_certificates(other_side: Destination, authority: Authority, store: Pair) -> None:
    ours = authority.issue("node")
    files = TlsFiles(ours.certificate, ours.key, authority.file)
    known = fingerprint(first_certificate(store.certificate.read_text()))
    assert reach(other_side, files) > 0
    assert reach(other_side, files, tls_name="localhost") > 0
    assert reach(other_side, files, tls_name="whatever.example", tls_fingerprint=known) > 0
    with pytest.raises(TlsFault, match=r"(?i)hostname"):
        reach(other_side, files, tls_name="other.example")
    with pytest.raises(TlsFault, match="not the one that the peer's entry names"):
        reach(other_side, files, tls_fingerprint="ab" * 32)
    with pytest.raises(TlsFault, match=r"not accepted.*tls_ca"):
        reach(other_side, TlsFiles())  # an authority of our own making is none of the system's


def test_without_a_certificate_of_ours_the_other_side_refuses(other_side: Destination, authority: Authority) -> None:
    with pytest.raises(TlsFault, match="the other side ended it with the alert"):
        reach(other_side, TlsFiles(authorities=authority.file))


def test_the_other_side_speaks_no_tls(start_storescp: Callable[..., Destination], authority: Authority) -> None:
    with pytest.raises((TlsFault, ConnectionLost), match="TLS"):
        reach(start_storescp(), TlsFiles(authorities=authority.file))
