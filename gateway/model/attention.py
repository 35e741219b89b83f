"""Looking up from long work: what is waited for, be it a peer or a process, must not outlast who asked for it.

Whoever waits calls a `Look` each `LOOK_UP_S` in which nothing happens. It returns to go on waiting and raises to stop;
the error goes to whoever began the work. A wait in which something happens often is not looked up from.
"""

from __future__ import annotations

from collections.abc import Callable

LOOK_UP_S = 0.2
"""A person notices no wait of this length, and five times a second costs nothing beside a wait."""

Look = Callable[[], None]


def nobody_asks() -> None:
    """A look that never ends anything."""
