"""The settings: `gateway.toml` in the node's home, each key overridden by GATEWAY_<SECTION>__<KEY>.

Read once by `load`, frozen, passed in. Every field carries its description, its unit and its bounds, so that the
commented gateway.toml of `gateway init`, the README's table and the error messages say the same. An unknown key is
an error that names the nearest known one: a setting with a typing mistake must not be silently without effect.
"""

from __future__ import annotations

import difflib
import ipaddress
import json
import os
import re
import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ByteSize, ConfigDict, Field, ValidationError
from pydantic import model_validator as check
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from gateway.model.errors import UsageError
from gateway.model.instance import OnConflict

FILE_NAME = "gateway.toml"
ENVIRONMENT_PREFIX = "GATEWAY_"
SECTION_DELIMITER = "__"

# PS3.5 table 6.2-1: an AE is at most 16 characters without backslash and control characters.
_AE_TITLE = re.compile(r"[ -\[\]-~]{1,16}")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|h|d)?")
_SECONDS = {None: 1, "s": 1, "min": 60, "h": 3600, "d": 86400}


def parse_duration(value: str) -> float:
    """Seconds from a text such as "90", "30 s", "10min", "2h" or "7d"; raises ValueError."""
    match = _DURATION.fullmatch(value.strip())
    if match is None:
        raise ValueError("a duration is a number with s, min, h or d, such as 30s or 2h")
    return float(match[1]) * _SECONDS[match[2]]


def _duration(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


def _ae_title(value: str) -> str:
    title = value.strip(" ")
    if _AE_TITLE.fullmatch(title) is None:
        raise ValueError("an AE title has 1 to 16 printable ASCII characters and no backslash")
    return title


def _items(value: object) -> object:
    """A list from an environment variable: JSON, or items with commas between."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [item.strip() for item in value.split(",") if item.strip()]


def _table(value: object) -> object:
    """A table from an environment variable: JSON, or `name=value` pairs with commas between."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("{"):
        return json.loads(value)
    return dict(pair.split("=", 1) for pair in value.split(",") if "=" in pair)


AeTitle = Annotated[str, AfterValidator(_ae_title)]
Duration = Annotated[float, BeforeValidator(_duration), Field(ge=0)]
Port = Annotated[int, Field(ge=0, le=65535)]
Network = Annotated[ipaddress.IPv4Network | ipaddress.IPv6Network, BeforeValidator(ipaddress.ip_network)]


def is_loopback(host: str) -> bool:
    """True when only this machine can connect to a listener on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Access(StrEnum):
    """Who may open a DICOM association: any caller, or only the entries of the peers table."""

    ANY = "any"
    PEERS = "peers"


class Executor(StrEnum):
    """Where reconstructions compute: in a limited process on this machine."""

    LOCAL = "local"


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


class LogFormat(StrEnum):
    """`auto` is console on a terminal and json elsewhere."""

    AUTO = "auto"
    CONSOLE = "console"
    JSON = "json"


class LogLevel(StrEnum):
    """The least severe event that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Section(BaseModel):
    """A table of gateway.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class AnswerCharset(StrEnum):
    """What answers of a query are written in, where they go beyond ASCII."""

    ORIGINAL = "original"
    UTF_8 = "utf-8"


class DicomSettings(Section):
    """The DICOM listener and how this node calls itself."""

    ae_title: AeTitle = Field(default="GATEWAY", description="AE title of this node")
    ae_aliases: Annotated[tuple[AeTitle, ...], BeforeValidator(_items)] = Field(
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


class MrdSettings(Section):
    """The listener for ISMRMRD (MRD) raw data streams."""

    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: Port = Field(default=9002, description="TCP port; 0 takes a free one")
    access: Annotated[tuple[Network, ...], BeforeValidator(_items)] = Field(
        default=(),
        description="networks that may connect, as CIDR; required off loopback, for MRD knows no other check",
    )
    aliases: Annotated[dict[str, str], BeforeValidator(_table)] = Field(
        default={"default.xml": "auto"},
        description="configuration names that clients send, and the method each stands for",
    )

    @check(mode="after")
    def _access_named(self) -> MrdSettings:
        if not is_loopback(self.host) and not self.access:
            raise ValueError('access is required when host is not loopback, such as access = ["10.1.2.0/24"]')
        return self


class DatabaseSettings(Section):
    """The index."""

    url: str = Field(default="", description="postgresql://USER@HOST/NAME, or empty for SQLite in the home")

    def url_in(self, home: Path) -> str:
        """The URL to open, the default resolved."""
        return self.url or f"sqlite:///{home / 'gateway.db'}"

    @property
    def is_sqlite(self) -> bool:
        """True when one file holds the index, which one process alone may write."""
        return not self.url or self.url.startswith("sqlite")


class StoreSettings(Section):
    """Where the objects' bytes are kept."""

    url: str = Field(default="", description="folder of the store, or empty for store in the home")
    reserve: ByteSize = Field(
        default=ByteSize(2 * 1024**3),
        ge=0,
        description="free space that is kept: below it senders are told out of resources",
    )

    @check(mode="after")
    def _folder(self) -> StoreSettings:
        if "://" in self.url and not self.url.startswith("file://"):
            raise ValueError("url is a folder or a file:// URL; no other kind of store is supported")
        return self

    def folder_in(self, home: Path) -> Path:
        """The store's folder; a relative one lies in the home."""
        return home / (self.url.removeprefix("file://") or "store")


class RoutingSettings(Section):
    """When the rules look at what has come."""

    series_quiet_seconds: Duration = Field(
        default=30.0, description="a series is routed when nothing came for it this long"
    )
    study_quiet_seconds: Duration = Field(default=300.0, description="the same for rules --on study")
    force_seconds: Duration = Field(default=3600.0, description="and at the latest this long after its first instance")


class ReconSettings(Section):
    """The limits of one reconstruction, which runs in a process of its own."""

    memory_limit: ByteSize = Field(
        default=ByteSize(4 * 1024**3), ge=256 * 1024**2, description="memory of one reconstruction, at least 256MiB"
    )
    time_limit: Duration = Field(default=3600.0, gt=0, description="longest duration of one reconstruction")
    executor: Executor = Field(
        default=Executor.LOCAL,
        description="where reconstructions compute: local, in a process of its own on this machine",
    )


class LogSettings(Section):
    """The log, one event a line on standard error."""

    level: LogLevel = Field(default=LogLevel.INFO, description="debug, info, warning or error")
    format: LogFormat = Field(default=LogFormat.AUTO, description="console, json, or auto: console on a terminal")


class Settings(BaseSettings):
    """Everything that an administrator can set."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=ENVIRONMENT_PREFIX,
        env_nested_delimiter=SECTION_DELIMITER,
        enable_decoding=False,
        validate_default=True,
    )

    dicom: DicomSettings = DicomSettings()
    mrd: MrdSettings = MrdSettings()
    database: DatabaseSettings = DatabaseSettings()
    store: StoreSettings = StoreSettings()
    routing: RoutingSettings = RoutingSettings()
    recon: ReconSettings = ReconSettings()
    log: LogSettings = LogSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment comes before the file's content, which `load` passes in."""
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings


def load(home: Path) -> Settings:
    """The settings of the node in `home`; without a gateway.toml, the defaults and the environment.

    Raises `UsageError` that names each wrong key, where it stands, and what to write.
    """
    _refuse_unknown_sections()
    try:
        return Settings(**_read(home / FILE_NAME))
    except ValidationError as error:
        raise UsageError("\n".join(_explain(detail, home) for detail in error.errors())) from error


def sections() -> dict[str, type[Section]]:
    """The tables of gateway.toml by name, in their order."""
    annotations = {name: field.annotation for name, field in Settings.model_fields.items()}
    return {name: kind for name, kind in annotations.items() if isinstance(kind, type) and issubclass(kind, Section)}


def variable(section: str, key: str) -> str:
    """The environment variable that overrides a setting."""
    return f"{ENVIRONMENT_PREFIX}{section}{SECTION_DELIMITER}{key}".upper()


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML: {error}") from error


def _refuse_unknown_sections() -> None:
    """GATEWAY_HOME stands alone; every other variable with a section must name one that exists."""
    for name in os.environ:
        if not name.startswith(ENVIRONMENT_PREFIX) or SECTION_DELIMITER not in name:
            continue
        section = name.removeprefix(ENVIRONMENT_PREFIX).split(SECTION_DELIMITER)[0].lower()
        if section not in Settings.model_fields:
            near = _nearest(section, list(Settings.model_fields))
            raise UsageError(f"environment variable {name}: no section {section}{near}")


def _explain(detail: ErrorDetails, home: Path) -> str:
    """One line for one error: where the value stands, its key and what is wrong with it."""
    section, *rest = [str(part) for part in detail["loc"]]
    key = rest[0] if rest else ""
    name = f"{section}.{key}" if key else section
    in_environment = bool(key) and variable(section, key) in os.environ
    place = variable(section, key) if in_environment else f"{home / FILE_NAME}: {name}"
    if detail["type"] != "extra_forbidden":
        return f"{place}: {detail['msg'].removeprefix('Value error, ')}"
    known = list(sections()[section].model_fields) if section in sections() and key else list(sections())
    return f"{place}: no such setting{_nearest(key or section, known, f'{section}.' if key else '')}"


def _nearest(name: str, known: list[str], prefix: str = "") -> str:
    matches = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {prefix}{matches[0]}?" if matches else f"; known: {', '.join(known)}"
