"""The way in to store and index, and the reconstruction behind it.

Most of the node's code and libraries are needed for it, so it is made, and this module loaded, when it is first asked
for: a command that only reads the index does without.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gateway import __version__
from gateway.admin.home import SPOOL_NAME
from gateway.config import Settings
from gateway.db.engine import Database
from gateway.ingest.door import Door
from gateway.ingest.recorder import QuietTimes, Recorder
from gateway.ingest.scans import ScanIntake
from gateway.jobs.recon_files import inspect_file
from gateway.jobs.reconstruct import Reconstructor
from gateway.jobs.sandbox import Sandbox, SandboxSettings
from gateway.model.routing import Trigger
from gateway.model.work import JobKind, Wake
from gateway.store.protocol import ObjectStore

# No step of a reconstruction gains from more.
MOST_THREADS = 4
# Folder in the home for machine code of the reconstruction; it may be deleted at any time.
_KERNEL_CACHE = "kernels"

Triggers = Callable[[], frozenset[Trigger]]


@dataclass(frozen=True, slots=True)
class WayIn:
    """`door` takes DICOM objects, `scans` raw data; `reconstructor` makes objects of raw data in the `sandbox`."""

    door: Door
    scans: ScanIntake
    sandbox: Sandbox
    reconstructor: Reconstructor


def build_way_in(
    settings: Settings,
    home: Path,
    database: Database,
    store: ObjectStore,
    triggers: Triggers,
    requested: Wake,
) -> WayIn:
    """`requested` is called when jobs were requested."""
    recorder = Recorder(
        database,
        on_conflict=settings.dicom.on_conflict,
        quiet=_quiet_times(settings),
        triggers=triggers,
        committed=lambda delay_s: requested(JobKind.ROUTE, delay_s=delay_s),
    )
    door = Door(store, recorder, default_issuer=settings.dicom.default_issuer)
    sandbox = Sandbox(sandbox_settings(settings, home))
    inspect = partial(inspect_file, sandbox)
    at_once = partial(requested, JobKind.ROUTE, JobKind.RECONSTRUCT)
    reserve = settings.store.reserve
    scans = ScanIntake(database, store, home / SPOOL_NAME, inspect, reserve=reserve, committed=at_once)
    reconstructor = Reconstructor(database, store, door, sandbox, settings.mrd.aliases, __version__, at_once)
    return WayIn(door, scans, sandbox, reconstructor)


def sandbox_settings(settings: Settings, home: Path | None = None) -> SandboxSettings:
    """The limits of one reconstruction. `home` keeps compiled kernels where the package's own folder cannot."""
    recon = settings.recon
    threads = min(os.cpu_count() or 1, MOST_THREADS)
    beside_package = os.access(Path(__file__).parent, os.W_OK)
    cache = None if home is None or beside_package else home / _KERNEL_CACHE
    return SandboxSettings(recon.memory_limit, recon.time_limit, threads, kernel_cache=cache)


def _quiet_times(settings: Settings) -> QuietTimes:
    routing = settings.routing
    return QuietTimes(routing.series_quiet_seconds, routing.study_quiet_seconds, routing.force_seconds)
