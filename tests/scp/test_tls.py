"""The listener under TLS: DCMTK and pynetdicom as clients, certificates bound to AE titles, and those who only stand
in the door."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from pynetdicom import AE
from structlog.testing import capture_logs

from gateway.model.peer import Peer
from gateway.net.certificate import fingerprint, first_certificate
from gateway.net.tls import ClientAuth, Credentials, TlsFiles
from gateway.scp.dicom import DicomScp, Security
from gateway.scp.registry import AssociationRegistry
from tests.interop.peers import eventually, program
from tests.net.certificates import Authority, Pair
from tests.scp.raw_client import RELEASE, REQUEST, VERIFICATION, receive_pdu

pytestmark = pytest.mark.interop

OURS = Peer(1, "client", "CLIENT", tls_name="scanner")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Whom the listener and its clients trust."""
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def node(authority: Authority) -> Pair:
    """The listener's certificate."""
    return authority.issue("node")


@pytest.fixture(scope="module")
def scanner(authority: Authority) -> Pair:
    """A client's certificate."""
    return authority.issue("scanner")


@pytest.fixture(scope="module")
def credentials(authority: Authority, node: Pair) -> Credentials:
    """Those of a listener that wants to see a certificate."""
    return Credentials(TlsFiles(node.certificate, node.key, authority.file, ClientAuth.REQUIRED))


@pytest.fixture
def secure(start_scp: Callable[..., DicomScp], credentials: Credentials) -> DicomScp:
    """A listener for TLS."""
    return start_scp(security=Security(credentials))


def client_context(authority: Authority, pair: Pair | None) -> ssl.SSLContext:
    """A client of its own making."""
    context = ssl.create_default_context(cafile=str(authority.file))
    if pair is not None:
        context.load_cert_chain(pair.certificate, pair.key)
    return context


def echo(scp: DicomScp, context: ssl.SSLContext) -> Any:
    """An association by pynetdicom, established or not, with a C-ECHO in it."""
    ae = AE("CLIENT")
    ae.add_requested_context(VERIFICATION)
    association = ae.associate(*scp.address, ae_title="GATEWAY", tls_args=(context, "localhost"))
    if association.is_established:
        assert association.send_c_echo().Status == 0
        association.release()
    return association


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_pynetdicom_in_each_version(
    version: ssl.TLSVersion, secure: DicomScp, authority: Authority, scanner: Pair
) -> None:
    context = client_context(authority, scanner)
    context.minimum_version = context.maximum_version = version
    with capture_logs() as logged:
        assert echo(secure, context).is_released
        assert eventually(lambda: any(entry["event"] == "association.ended" for entry in logged))
    line = logged[-1]
    assert line["tls"].startswith(version.name.replace("_", "."))
    assert (line["ended"], line["certificate"]) == ("released", "scanner")


def test_dcmtk(secure: DicomScp, authority: Authority, scanner: Pair) -> None:
    host, port = secure.address
    tls = ["+tls", str(scanner.key), str(scanner.certificate), "+cf", str(authority.file)]
    line = [program("echoscu"), *tls, "-aec", "GATEWAY", host, str(port)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_dcmtk_without_a_certificate(
    start_scp: Callable[..., DicomScp], secure: DicomScp, authority: Authority, node: Pair
) -> None:
    files = TlsFiles(node.certificate, node.key, authority.file, ClientAuth.NONE)
    anyone = start_scp(security=Security(Credentials(files)))
    for scp, ends_well in ((anyone, True), (secure, False)):
        host, port = scp.address
        line = [program("echoscu"), "+tla", "+cf", str(authority.file), "-aec", "GATEWAY", host, str(port)]
        done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode == 0) == ends_well, done.stderr


@pytest.mark.parametrize("bound_by", ["name", "fingerprint"])
def test_an_ae_title_bound_to_a_certificate(
    bound_by: str,
    start_scp: Callable[..., DicomScp],
    credentials: Credentials,
    authority: Authority,
    scanner: Pair,
) -> None:
    known = fingerprint(first_certificate(scanner.certificate.read_text()))
    peer = OURS if bound_by == "name" else Peer(1, "client", "CLIENT", tls_fingerprint=known)
    secure = start_scp(security=Security(credentials), peers=(peer,))
    assert echo(secure, client_context(authority, scanner)).is_released
    with capture_logs() as logged:
        context = client_context(authority, authority.issue("another"))
        with (
            socket.create_connection(secure.address, timeout=10) as client,
            context.wrap_socket(client, server_hostname="localhost") as wrapped,
        ):
            wrapped.sendall(REQUEST)
            assert receive_pdu(wrapped) == (3, bytes((0, 1, 1, 3)))
        assert eventually(lambda: any(entry.get("ended") == "rejected" for entry in logged))
    (line,) = [entry for entry in logged if entry.get("ended") == "rejected"]
    assert line["cause"] == "not the certificate of this calling AE title"
    plain = start_scp(peers=(peer,))
    with socket.create_connection(plain.address, timeout=10) as client:
        client.sendall(REQUEST)
        assert receive_pdu(client) == (3, bytes((0, 1, 1, 3)))


def test_who_says_nothing_keeps_nobody_waiting(secure: DicomScp, authority: Authority, scanner: Pair) -> None:
    silent = [socket.create_connection(secure.address, timeout=10) for _ in range(20)]
    for number, client in enumerate(silent):
        client.sendall(b"\x16\x03\x01\x02\x00\x01"[: number % 7])
    assert echo(secure, client_context(authority, scanner)).is_released
    for client in silent:
        client.close()


def test_a_client_without_tls_on_the_tls_port(secure: DicomScp) -> None:
    with capture_logs() as logged, socket.create_connection(secure.address, timeout=10) as client:
        client.sendall(REQUEST)
        while client.recv(4096):
            pass
        assert eventually(lambda: any(entry["event"] == "association.ended" for entry in logged))
    assert (logged[-1]["ended"], logged[-1]["by"]) == ("no TLS", "peer")


def test_a_tls_client_on_the_plain_port(scp: DicomScp, authority: Authority) -> None:
    with socket.create_connection(scp.address, timeout=10) as client, pytest.raises((ssl.SSLError, ConnectionError)):
        client_context(authority, None).wrap_socket(client, server_hostname="localhost")


def test_a_certificate_that_is_replaced_is_shown_to_the_next(
    start_scp: Callable[..., DicomScp], authority: Authority, scanner: Pair
) -> None:
    first = authority.issue("first")
    scp = start_scp(security=Security(Credentials(TlsFiles(first.certificate, first.key, authority.file))))

    def shown() -> bytes | None:
        with (
            socket.create_connection(scp.address, timeout=10) as sock,
            client_context(authority, scanner).wrap_socket(sock, server_hostname="localhost") as client,
        ):
            client.sendall(REQUEST)
            assert client.recv(1) == b"\2"
            return client.getpeercert(binary_form=True)

    before = shown()
    assert before == first_certificate(first.certificate.read_text())
    authority.issue("first")
    after = shown()
    assert after != before
    assert after == first_certificate(first.certificate.read_text())


@pytest.fixture
def both(start_scp: Callable[..., DicomScp], credentials: Credentials) -> tuple[DicomScp, DicomScp]:
    """The plain and the secure listener of one node that takes one association."""
    registry = AssociationRegistry(max_per_peer=9, max_in_all=1)
    return start_scp(registry=registry), start_scp(registry=registry, security=Security(credentials))


def test_two_ports_share_one_limit(both: tuple[DicomScp, DicomScp], authority: Authority, scanner: Pair) -> None:
    plain, secure = both
    with socket.create_connection(plain.address, timeout=10) as client:
        client.sendall(REQUEST)
        assert receive_pdu(client)[0] == 2
        context = client_context(authority, scanner)
        second = socket.create_connection(secure.address, timeout=10)
        with context.wrap_socket(second, server_hostname="localhost") as refused:
            refused.sendall(REQUEST)
            assert receive_pdu(refused) == (3, bytes((0, 2, 3, 2)))
        assert [len(scp.associations) for scp in both] == [1, 0]
        client.sendall(RELEASE)
        assert receive_pdu(client)[0] == 6
