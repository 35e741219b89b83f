"""`[dicom]`: the DICOM listener, who may call it, and how this node calls itself."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, ByteSize, Field
from pydantic import model_validator as check

from gateway.config.values import AeTitle, Duration, Port, Section, is_loopback, items
from gateway.model.instance import OnConflict


class Access(StrEnum):
    """Who may open a DICOM association: any caller, or only the entries of the peers table."""

    ANY = "any"
    PEERS = "peers"


class TlsClientAuth(StrEnum):
    """Whether those who call over TLS must show a certificate of an authority in `dicom.tls_ca`."""

    NONE = "none"
    OPTIONAL = "optional"
    REQUIRED = "required"


class UserIdentity(StrEnum):
    """What is done with the user that an association request names (PS3.7 D.3.3.7)."""

    IGNORE = "ignore"
    ACCEPT = "accept"
    REQUIRE = "require"


class AnswerCharset(StrEnum):
    """What answers of a query are written in, where they go beyond ASCII."""

    ORIGINAL = "original"
    UTF_8 = "utf-8"


class DicomSettings(Section):
    """The DICOM listener and how this node calls itself."""

    ae_title: AeTitle = Field(default="GATEWAY", description="AE title of this node")
    ae_aliases: Annotated[tuple[AeTitle, ...], BeforeValidator(items)] = Field(
        default=(), description="further AE titles under which this node may be called"
    )
    host: str = Field(default="127.0.0.1", description="address to listen on; 0.0.0.0 for every interface")
    port: Port = Field(default=11112, description="TCP port; 0 takes a free one")
    access: Access | None = Field(
        default=None,
        examples=[Access.PEERS],
        description='who may connect: "any", or "peers" (gateway peers add) alone; unset: any on loopback, else peers',
    )
    on_conflict: OnConflict = Field(
        default=OnConflict.KEEP_BOTH,
        description="the same SOP Instance UID with other bytes: keep-both (serves and routes the newest), "
        "refuse, or replace",
    )
    default_issuer: str = Field(
        default="", max_length=64, description="IssuerOfPatientID of objects that carry none; part of the patient key"
    )
    max_pdu: ByteSize = Field(
        default=ByteSize(128 * 1024),
        ge=4096,
        le=1024 * 1024,
        description="longest P-DATA-TF that peers may send, 4KiB to 1MiB",
    )

    answer_charset: AnswerCharset = Field(
        default=AnswerCharset.ORIGINAL,
        description="character set of answers to queries beyond ASCII: original (that of the object), or utf-8",
    )
    max_associations: int = Field(
        default=1000,
        ge=1,
        le=10_000,
        description="associations open at once; one more is rejected as transient. Idle, each holds a thread",
    )
    max_associations_per_peer: int = Field(
        default=32,
        ge=1,
        le=10_000,
        description="of them, those of one peer, or of one address that is no peer's",
    )
    accept_unknown: bool = Field(
        default=True,
        description="take storage classes that this edition does not know, private ones and those of later editions",
    )
    pending_seconds: Duration = Field(
        default=1.0, gt=0, description="a C-MOVE or C-GET says how far it is at least this often"
    )
    response_seconds: Duration = Field(
        default=120.0, gt=0, description="how long the destination of a C-MOVE may take for one object"
    )
    user_identity: UserIdentity = Field(
        default=UserIdentity.IGNORE,
        description="users named by callers: ignore, accept (those of gateway users add alone), or require one",
    )
    tls_cert: Path | None = Field(
        default=None,
        examples=["tls/cert.pem"],
        description="our certificate with its chain, PEM; with it the node also listens on tls_port",
    )
    tls_key: Path | None = Field(
        default=None, examples=["tls/key.pem"], description="its key, PEM without a passphrase"
    )
    tls_ca: Path | None = Field(
        default=None,
        examples=["tls/ca.pem"],
        description="authorities whose certificates are trusted, PEM; unset: those of the system, for peers we call",
    )
    tls_port: Port = Field(default=2762, description="TCP port for DICOM over TLS, beside port; 0 takes a free one")
    tls_client_auth: TlsClientAuth = Field(
        default=TlsClientAuth.REQUIRED,
        description="certificates of those who call over TLS: required, optional or none",
    )

    @check(mode="after")
    def _tls_whole(self) -> DicomSettings:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key are set both or neither")
        if self.tls_cert and self.tls_ca is None and self.tls_client_auth is not TlsClientAuth.NONE:
            raise ValueError(
                'tls_ca says whose certificates are taken from callers; without it set tls_client_auth = "none"'
            )
        return self

    @property
    def accepts_any(self) -> bool:
        """True when callers that are no peers are taken too."""
        if self.access is None:
            return is_loopback(self.host)
        return self.access is Access.ANY
