"""The process in which raw data is decoded and reconstructed: `python -m gateway.jobs.recon_child PARENT`.

It sees an open file, a socket to the node and its standard output, and neither database nor store. It does one task
and ends; whatever goes wrong in it, by a hostile file or by a fault in a numerical library, the node lives on.
"""

from __future__ import annotations

import ctypes
import os
import resource
import select
import signal
import socket
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from gateway.jobs.faults import describe
from gateway.jobs.recon_input import Source, open_source
from gateway.jobs.recon_output import Output, ProgressReport
from gateway.jobs.recon_task import MAX_TASK, Failed, MethodChosen, Mode, Noticed, ScanEnded, ScanIdentified, Task
from gateway.model.errors import GatewayError, LimitHit, MalformedData, NodeFault, Unsupported
from gateway.model.mrd import Acquisition, Image, ScanHeader, Waveform
from gateway.recon import kernels, pipeline, registry
from gateway.recon.noise import NoiseEstimator
from gateway.recon.noise_text import noise_from_text, noise_text
from gateway.recon.readouts import check_samples, is_noise
from gateway.recon.registry import AUTO
from gateway.recon.resources import Resources
from gateway.recon.survey import surveyed
from gateway.recon.waveforms import WaveformLog
from gateway.wire.mrd.completeness import Completeness
from gateway.wire.mrd.header import parse_header
from gateway.wire.mrd.identity import IdentityDigest
from gateway.wire.mrd.messages import Close, Header

_NICE = 10
_PR_SET_PDEATHSIG = 1
_CONTROL = 0


def main() -> None:
    """Get ready, wait for the task, do it."""
    _bind_to_parent(int(sys.argv[1]))
    output = Output(_private_stdout())
    registry.methods()  # imports cost a second: paid before there is a task
    control = socket.socket(fileno=os.dup(_CONTROL))
    _compile_until_called(control)
    data, descriptors, _, _ = socket.recv_fds(control, MAX_TASK, 1)
    if not data or not descriptors:
        return
    task = Task.from_json(data)
    if task.prepare:
        _compile_now(ProgressReport(output, time.monotonic))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    _limit_memory(task.memory_limit)
    with suppress(BrokenPipeError):  # the node no longer listens
        perform(task, descriptors[0], control if task.live else None, output)


def _compile_until_called(control: socket.socket) -> None:
    """Make use of the time before there is a task: once there is one, machine code can no longer be kept on disk."""
    for kernel in kernels.declared():
        if select.select([control], [], [], 0)[0]:
            return
        kernel.compile()


def _compile_now(progress: ProgressReport) -> None:
    """What is not compiled on this machine yet, before any data is read."""
    declared = kernels.declared()
    for done, kernel in enumerate(declared, start=1):
        if not kernel.compiled:
            kernel.compile()
        progress("compiling, once on this machine", done, len(declared))


def perform(task: Task, descriptor: int, control: socket.socket | None, output: Output) -> None:
    """Do a task; every failure becomes an event, and only success is closed."""
    try:
        with open_source(task.media_type, descriptor, control) as source:
            _MODES[task.mode](task, source, output)
    except GatewayError as error:
        output.event(Failed(type(error).__name__, str(error)))
    except MemoryError:
        limit = task.memory_limit // 1024**2
        output.event(Failed(LimitHit.__name__, f"the reconstruction needs more than its memory limit of {limit} MiB"))
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - a job ends here
        output.event(Failed(NodeFault.__name__, f"the reconstruction failed: {describe(error)}"))
    else:
        output.send(Close())


def _reconstruct(task: Task, source: Source, output: Output) -> None:
    xml = source.header_xml()
    output.send(Header(xml))
    header = parse_header(xml)
    readouts = _Watched(header, source, output)
    resolved, acquisitions = _resolve(task, header, readouts, output)
    images = _Held(readouts, output)
    with ThreadPoolExecutor(task.workers) as pool:
        resources = replace(_resources(task, pool, output), waveforms=readouts.waveforms)
        try:
            for image in pipeline.execute(resolved, header, acquisitions, resources):
                images.add(image)
        except MalformedData:
            if not readouts.only_noise:
                raise
    readouts.exhaust()
    images.release()
    if not images.count and not readouts.only_noise:
        raise MalformedData(f"no image could be made from {readouts.count} readouts")


def _resources(task: Task, pool: ThreadPoolExecutor, output: Output) -> Resources:
    given = Resources(
        workers=task.workers,
        each=pool.map,
        noise=noise_from_text(task.noise) if task.noise else None,
        progress=ProgressReport(output, time.monotonic),
        stages=output.stage if task.stages else None,
        notice=lambda text: output.event(Noticed(text)),
    )
    return replace(given, memory_limit=task.memory_limit) if task.memory_limit else given


def _inspect(task: Task, source: Source, output: Output) -> None:
    del task
    xml = source.header_xml()
    output.send(Header(xml))
    readouts = _Watched(parse_header(xml), source, output)
    readouts.exhaust()


_MODES = {Mode.RECONSTRUCT: _reconstruct, Mode.INSPECT: _inspect}


def _resolve(
    task: Task, header: ScanHeader, readouts: Iterable[Acquisition], output: Output
) -> tuple[pipeline.ResolvedRecon, Iterator[Acquisition]]:
    """The method and its parameters, and all of the readouts, which `auto` looks at; says what was chosen."""
    name = method_name(task.config, task.aliases)
    acquisitions = iter(readouts)
    if name == AUTO:
        kind, acquisitions = surveyed(header, acquisitions)
        method = registry.choose(header, kind)
    else:
        method = registry.get(name)
    known = {parameter.name for parameter in method.parameters}
    hints = {key: value for key, value in task.hints.items() if key in known}
    resolved = pipeline.resolve(method.name, header, hints | dict(task.parameters))
    ignored = tuple(sorted(task.hints.keys() - known))
    output.event(MethodChosen(method.name, method.version, resolved.canonical, ignored))
    return resolved, acquisitions


def method_name(config: str, aliases: Mapping[str, str]) -> str:
    """The method that a configuration name stands for. Raises Unsupported with all that are known."""
    name = aliases.get(config, config)
    if name == AUTO or name in registry.methods():
        return name
    known = ", ".join((AUTO, *registry.methods(), *sorted(aliases)))
    raise Unsupported(f"configuration {config[:64]!r} is not known; known are {known}")


class _Watched:
    """The readouts on their way into the reconstruction: their identity, number and completeness are told.

    `waveforms` holds those that came between them.
    """

    def __init__(self, header: ScanHeader, source: Source, output: Output) -> None:
        self.identified = False
        self.count = 0
        self.waveforms = WaveformLog()
        self._noise = NoiseEstimator()
        self._identity = IdentityDigest(header)
        self._completeness = Completeness(header)
        self._source = source
        self._output = output
        self._readouts = self._watch()

    def __iter__(self) -> Iterator[Acquisition]:
        return self._readouts

    @property
    def only_noise(self) -> bool:
        """True for a scan that measures the noise for others, and has no image."""
        return self._completeness.only_noise

    def exhaust(self) -> None:
        """Read what the reconstruction left unread, so that the end is told in any case."""
        for _ in self._readouts:
            pass

    def _watch(self) -> Iterator[Acquisition]:
        for acquisition in self._source.records():
            if isinstance(acquisition, Waveform):
                self.waveforms.add(acquisition)
                continue
            self.count += 1
            if is_noise(acquisition):
                self._hear_noise(acquisition)
            self._completeness.add(acquisition)
            self._identity.add(acquisition)
            if self._identity.final and not self.identified:
                self._identify()
            yield acquisition
        if not self.identified:
            self._identify()
        missing, noise = self._source.broken or self._completeness.missing(), self._noise.measurement
        self._output.event(ScanEnded(self.count, missing, "" if noise is None else noise_text(noise)))

    def _hear_noise(self, acquisition: Acquisition) -> None:
        """For scans that will name this one; whether it is sound is for the reconstruction to say."""
        with suppress(MalformedData):
            check_samples(acquisition, self.count - 1)
            self._noise.add(acquisition)

    def _identify(self) -> None:
        self.identified = True
        self._output.event(ScanIdentified(self._identity.hexdigest()))


class _Held:
    """Images on their way out: none leaves before the scan's identity, from which their UIDs follow, is known."""

    def __init__(self, readouts: _Watched, output: Output) -> None:
        self.count = 0
        self._readouts = readouts
        self._output = output
        self._waiting: list[Image] = []

    def add(self, image: Image) -> None:
        self.count += 1
        self._waiting.append(image)
        if self._readouts.identified:
            self.release()

    def release(self) -> None:
        for image in self._waiting:
            self._output.send(image)
        self._waiting.clear()


def _bind_to_parent(parent: int) -> None:
    """Die with the node, give way to it, leave no core dump."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the line above
        raise SystemExit(0)
    os.nice(_NICE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _limit_memory(limit: int) -> None:
    """Let allocations fail beyond `limit` bytes of data more than there are now; code and files do not count."""
    if limit:
        ceiling = _data_size() + limit
        resource.setrlimit(resource.RLIMIT_DATA, (ceiling, ceiling))


def _data_size() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    return 0


def _private_stdout() -> int:
    """The pipe to the node under a number that no library prints to."""
    private = os.dup(1)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)
    return private


if __name__ == "__main__":
    main()
