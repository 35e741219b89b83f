"""The log: one event a line on standard error, with fields; as JSON unless a person looks on.

An exception is logged by its type and place. Only the messages of our own errors are: that of any other may quote what
it stumbled over, and so a patient's values. For the same reason no library's warning is shown: pydicom's quote values.
"""

from __future__ import annotations

import json
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime

import structlog
from structlog.typing import EventDict, ExcInfo, Processor

from gateway.config import LogFormat, LogLevel, LogSettings
from gateway.model.errors import GatewayError
from gateway.model.printable import printable


def configure(settings: LogSettings) -> None:
    """Set structlog up for this process. Standard output stays free for what a command prints."""
    warnings.simplefilter("ignore")
    lines = _Lines()
    structlog.configure(
        processors=[_complete, _renderer(settings.format)],
        wrapper_class=structlog.make_filtering_bound_logger(settings.level.value),
        logger_factory=lambda *_: lines,
    )


class _Lines:
    """Standard error, a line at a time; what it does not take is lost.

    It may be a file on the full disk, or a pipe that nobody reads any more: the work goes on without its log.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def write(self, line: str) -> None:
        """Write, or not."""
        try:
            with self._lock:
                sys.stderr.write(line + "\n")
                sys.stderr.flush()
        except OSError:
            return

    debug = info = warning = error = critical = write  # structlog calls it by the level's name


def _complete(logger: object, level: str, event: EventDict) -> EventDict:
    """Level, time and what went wrong, in one step: every association leaves a line, and the next one waits for it.

    A peer's words, an AE title or a comment, give no command to the terminal of who reads the log.
    """
    if "exc_info" in event:
        event = _EXCEPTIONS(logger, level, event)
    event["level"] = level
    event["timestamp"] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    for name, value in event.items():
        if isinstance(value, str) and not value.isprintable():
            event[name] = printable(value)
    return event


def _renderer(wanted: LogFormat) -> Processor:
    if wanted is LogFormat.CONSOLE or (wanted is LogFormat.AUTO and sys.stderr.isatty()):
        return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    encoder = json.JSONEncoder(default=repr)  # made once: the renderer's own way makes one for each line
    return lambda _logger, _method, event: encoder.encode(event)


def _without_values(exc_info: ExcInfo) -> str:
    """The traceback, the cause first as Python prints it, without the messages of strangers."""
    return "\n".join(reversed(list(_told(exc_info[1]))))


def _told(error: BaseException | None) -> Iterator[str]:
    while error is not None:
        message = f": {error}" if isinstance(error, GatewayError) else ""
        yield "".join(traceback.format_tb(error.__traceback__)) + type(error).__name__ + message
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


_EXCEPTIONS = structlog.processors.ExceptionRenderer(_without_values)


def configure_for_command() -> None:
    """For a command that does the work because no node runs: faults alone, as it tells itself what is refused."""
    configure(LogSettings(level=LogLevel.ERROR, format=LogFormat.CONSOLE))
