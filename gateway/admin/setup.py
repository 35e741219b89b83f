"""A new home, and an old one brought up to date: what is done before a node can run."""

from __future__ import annotations

import getpass
import math
import os
import shlex
import sys
from pathlib import Path

from gateway.admin.home import SPOOL_NAME, HomeLock, require
from gateway.admin.settings_text import toml_text
from gateway.config import FILE_NAME, load
from gateway.db.engine import Database
from gateway.model.errors import UsageError
from gateway.store.filesystem import FilesystemStore

UNIT_NAME = "gateway.service"
# A node ends by itself 8 s after its drain; systemd kills it when it has not.
STOP_MARGIN_S = 15

# Hardened as far as a node that binds port 104 and reads files for `gateway import` allows; `systemd-analyze security`
# says what each line does.
_UNIT = """\
[Unit]
Description=DICOM and ISMRMRD gateway node
After=network-online.target
Wants=network-online.target

[Service]
ExecStart={command} serve
Environment=GATEWAY_HOME={home}
User={user}
Restart=on-failure
RestartSec=2
TimeoutStopSec={stop_s}
LimitNOFILE=65536
Delegate=memory
UMask=0077
AmbientCapabilities=CAP_NET_BIND_SERVICE
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
NoNewPrivileges=yes
ProtectSystem=full
ProtectHome=read-only
ReadWritePaths={home}
PrivateDevices=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service

[Install]
WantedBy=multi-user.target
"""


def init(home: Path, *, systemd: bool = False) -> list[str]:
    """Make what is missing of a home, and return what was done and what to do next, a line each."""
    _make_folder(home)
    done = []
    with HomeLock(home):
        if _write_settings(home / FILE_NAME):
            done.append(f"wrote {home / FILE_NAME}: every setting, with its default")
        settings = load(home)
        (home / SPOOL_NAME).mkdir(mode=0o700, exist_ok=True)
        Database.open(settings.database.url_in(home), create=True).close()
        FilesystemStore(settings.store.folder_in(home), reserve=settings.store.reserve)
    done.append(f"the node's home is {home}")
    if systemd:
        done += _write_unit(home, settings.node.drain_seconds)
    return [*done, "", *_next_steps(home)]


def upgrade(home: Path) -> str:
    """Bring the database to this program's version; returns what was done."""
    require(home)
    with HomeLock(home):
        before, after = Database.upgrade(load(home).database.url_in(home))
    return f"the database has schema {after}" + ("" if before == after else f", it had {before or 'none'}")


def _make_folder(home: Path) -> None:
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{home} cannot be made: {error.strerror}; name another with --home") from error


def _write_settings(path: Path) -> bool:
    """False when there is one already."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(toml_text())
    except FileExistsError:
        return False
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
    return True


def _write_unit(home: Path, drain_s: float) -> list[str]:
    path = home / UNIT_NAME
    unit = _UNIT.format(
        command=_command(), home=home, user=getpass.getuser(), stop_s=math.ceil(drain_s + STOP_MARGIN_S)
    )
    path.write_text(unit, encoding="utf-8")
    return [
        f"wrote {path}; look at it (User=), then:",
        f"    sudo cp {shlex.quote(str(path))} /etc/systemd/system/",
        f"    sudo systemctl daemon-reload && sudo systemctl enable --now {UNIT_NAME}",
    ]


def _command() -> str:
    """How the unit starts this very installation."""
    script = Path(sys.executable).with_name("gateway")
    return str(script) if script.exists() else f"{sys.executable} -m gateway"


def _next_steps(home: Path) -> list[str]:
    told = "" if os.environ.get("GATEWAY_HOME") == str(home) else f"    export GATEWAY_HOME={shlex.quote(str(home))}\n"
    return [
        "next:",
        f"{told}    gateway serve",
        "    gateway peers add pacs PACS@10.0.0.5:104",
        '    gateway rules add mr-to-pacs --when "Modality = MR" --send pacs',
        "    gateway status",
    ]
