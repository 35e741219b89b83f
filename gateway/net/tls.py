"""TLS as PS3.15 B.12 asks for it (BCP 195: RFC 8996, RFC 9325), and the files that it is made from.

TLS 1.3 where the other side has it, 1.2 at least; of 1.2 the recommended suites of RFC 9325 4.2, all with forward
secrecy and authenticated encryption; no compression, no renegotiation. The files may be replaced while the node
runs: they are looked at before each handshake, and a pair that cannot be used leaves the one before it in place.
"""

from __future__ import annotations

import ssl
import threading
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import structlog

from gateway.model.errors import UsageError
from gateway.net.certificate import first_certificate, not_after

_log = structlog.get_logger()

# RFC 9325 4.2 and RFC 7905. Level 2 refuses RSA and DH keys below 2048 bits and signatures with SHA-1.
_TLS_1_2_SUITES = "ECDHE+AESGCM:ECDHE+CHACHA20:@SECLEVEL=2"
# A certificate with its chain takes some kilobytes; a bundle of all the public authorities a quarter of a megabyte.
_LONGEST_FILE = 4 << 20


class ClientAuth(StrEnum):
    """`dicom.tls_client_auth`: whether those who call must show a certificate."""

    NONE = "none"
    OPTIONAL = "optional"
    REQUIRED = "required"


_VERIFY_MODES = {
    ClientAuth.NONE: ssl.CERT_NONE,
    ClientAuth.OPTIONAL: ssl.CERT_OPTIONAL,
    ClientAuth.REQUIRED: ssl.CERT_REQUIRED,
}


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files: our certificate with its chain, its key without a passphrase, and the authorities that we trust.

    Without a certificate this node only calls, and shows none; without authorities it trusts those of the system.
    """

    certificate: Path | None = None
    key: Path | None = None
    authorities: Path | None = None
    client_auth: ClientAuth = ClientAuth.REQUIRED


@dataclass(frozen=True, slots=True)
class _Contexts:
    """Made of one reading of the files. `pinned` is for peers whose certificate is known, whatever name is in it."""

    server: ssl.SSLContext | None
    client: ssl.SSLContext
    pinned: ssl.SSLContext
    not_after: datetime | None


class Credentials:
    """The contexts made from `files`, made again when the files change. Thread-safe.

    Raises UsageError that names the setting where the files cannot be used at the start.
    """

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._lock = threading.Lock()
        self._stamp = self._look()
        self._contexts = _make(files)
        self._fault = ""

    def server(self) -> ssl.SSLContext:
        """For a connection that came in. Raises UsageError without a certificate."""
        context = self._current().server
        if context is None:
            raise UsageError("dicom.tls_cert and dicom.tls_key are needed to accept TLS")
        return context

    def client(self, *, pinned: bool) -> ssl.SSLContext:
        """For a connection of ours. `pinned`: the name in the certificate is not looked at, its fingerprint will be."""
        contexts = self._current()
        return contexts.pinned if pinned else contexts.client

    @property
    def fault(self) -> str:
        """Why the files as they are now are not in use; empty when they are."""
        self._current()
        return self._fault

    @property
    def not_after(self) -> datetime | None:
        """When our certificate, the one in use, ends."""
        return self._current().not_after

    def _current(self) -> _Contexts:
        with self._lock:
            stamp = self._look()
            if stamp != self._stamp:
                self._stamp = stamp
                self._reload()
            return self._contexts

    def _reload(self) -> None:
        try:
            self._contexts = _make(self._files)
        except UsageError as error:
            self._fault = str(error)
            _log.warning("tls.files_not_usable", error=self._fault)
        else:
            self._fault = ""
            _log.info("tls.files_read")

    def _look(self) -> tuple[tuple[int, ...] | None, ...]:
        paths = (self._files.certificate, self._files.key, self._files.authorities)
        return tuple(_state(path) for path in paths if path)


def _state(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino


def _make(files: TlsFiles) -> _Contexts:
    server, ends = None, None
    if files.certificate is not None:
        server = _base(ssl.PROTOCOL_TLS_SERVER, files)
        server.verify_mode = _VERIFY_MODES[files.client_auth]
        server.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
        server.num_tickets = 0  # a caller that says its word and leaves would find them unread, which resets
        ends = _ends(files.certificate)
    client = _base(ssl.PROTOCOL_TLS_CLIENT, files)
    pinned = _base(ssl.PROTOCOL_TLS_CLIENT, files)
    pinned.check_hostname = False
    return _Contexts(server, client, pinned, ends)


def _base(protocol: int, files: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_TLS_1_2_SUITES)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    _trust(context, files)
    if files.certificate is not None and files.key is not None:
        _show(context, files.certificate, files.key)
    return context


def _trust(context: ssl.SSLContext, files: TlsFiles) -> None:
    if files.authorities is None:
        context.load_default_certs()
        return
    text = _read(files.authorities, "dicom.tls_ca")
    try:
        context.load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError) as error:
        raise UsageError(f"dicom.tls_ca: {files.authorities} holds no certificates that can be read") from error


def _show(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    try:
        context.load_cert_chain(certificate, key, password=_no_passphrase)
    except OSError as error:  # ssl.SSLError is one
        if isinstance(error, ssl.SSLError):
            cause = error.reason or "no pair of a certificate and its key, or the key has a passphrase"
        else:
            cause = error.strerror or "cannot be read"
        raise UsageError(f"dicom.tls_cert {certificate}, dicom.tls_key {key}: {cause}") from error


def _no_passphrase() -> str:
    """Instead of asking on a terminal that a service does not have."""
    return ""


def _ends(certificate: Path) -> datetime:
    try:
        return not_after(first_certificate(_read(certificate, "dicom.tls_cert")))
    except ValueError as error:
        raise UsageError(f"dicom.tls_cert: {certificate}: {error}") from error


def _read(path: Path, setting: str) -> str:
    try:
        with path.open(encoding="latin-1") as file:
            return file.read(_LONGEST_FILE)
    except OSError as error:
        raise UsageError(f"{setting}: {path}: {error.strerror}") from error
