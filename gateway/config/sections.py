"""The sections of gateway.toml but `[dicom]`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, ByteSize, Field
from pydantic import model_validator as check

from gateway.config.values import Duration, Network, Port, Section, is_loopback, items, table


class Executor(StrEnum):
    """Where reconstructions compute: in a limited process on this machine."""

    LOCAL = "local"


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


class MrdSettings(Section):
    """The listener for ISMRMRD (MRD) raw data streams."""

    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: Port = Field(default=9002, description="TCP port; 0 takes a free one")
    access: Annotated[tuple[Network, ...], BeforeValidator(items)] = Field(
        default=(),
        description="networks that may connect, as CIDR; required off loopback, for MRD knows no other check",
    )
    aliases: Annotated[dict[str, str], BeforeValidator(table)] = Field(
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


class NodeSettings(Section):
    """The process itself: how it ends, and what it takes up again."""

    drain_seconds: Duration = Field(
        default=20.0,
        gt=0,
        le=3600,
        description="after SIGTERM what is in flight may go on this long; 8 s later the process ends in any case",
    )
    lease_seconds: Duration = Field(
        default=60.0,
        ge=1,
        le=3600,
        description="a job whose process was killed waits this long for another; on SQLite only one that failed before",
    )


class LogSettings(Section):
    """The log, one event a line on standard error."""

    level: LogLevel = Field(default=LogLevel.INFO, description="debug, info, warning or error")
    format: LogFormat = Field(default=LogFormat.AUTO, description="console, json, or auto: console on a terminal")
