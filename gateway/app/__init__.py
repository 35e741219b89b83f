"""The node: the only place where its parts are made and put together."""

from gateway.app.build import EVERYTHING, Part, build, part
from gateway.app.run import run_until_signal

__all__ = ["EVERYTHING", "Part", "build", "part", "run_until_signal"]
