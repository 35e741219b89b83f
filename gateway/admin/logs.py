"""The log: one event a line on standard error, with fields; as JSON unless a person looks on."""

from __future__ import annotations

import sys
from typing import Any

import structlog

from gateway.config import LogFormat, LogLevel, LogSettings


def configure(settings: LogSettings) -> None:
    """Set structlog up for this process. Standard output stays free for what a command prints."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *_rendering(settings.format),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(settings.level.value),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )


def _rendering(wanted: LogFormat) -> list[Any]:
    if wanted is LogFormat.CONSOLE or (wanted is LogFormat.AUTO and sys.stderr.isatty()):
        return [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]


def configure_for_command() -> None:
    """For a command that does the work itself because no node runs: what goes wrong, and no more."""
    configure(LogSettings(level=LogLevel.WARNING, format=LogFormat.CONSOLE))
