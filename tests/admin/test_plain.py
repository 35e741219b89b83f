"""Dataclasses as JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.admin.plain import plain
from gateway.model.peer import Peer, Service
from gateway.model.work import Job, JobKind, JobState


def test_a_dataclass_with_everything_in_it_survives_json() -> None:
    moment = datetime(2026, 1, 31, 12, 30, tzinfo=UTC)
    job = Job(1, JobKind.ROUTE, "series:1", {"series": 1}, JobState.READY, 0, 1, 0, moment, moment)
    value = plain(job)
    assert isinstance(value, dict)
    assert json.loads(json.dumps(value)) == value
    assert (value["kind"], value["due_at"], value["payload"]) == (
        "route",
        "2026-01-31T12:30:00.000+00:00",
        {"series": 1},
    )


def test_sets_have_one_order() -> None:
    peer = plain(Peer(1, "a", "A", services=frozenset({Service.STORE, Service.ECHO})))
    assert isinstance(peer, dict)
    assert peer["services"] == ["echo", "store"]


def test_bytes_are_left_out_and_the_unknown_is_refused() -> None:
    assert plain({"header": b"DOE^JOHN", "path": Path("/a")}) == {"path": "/a"}
    with pytest.raises(TypeError, match="complex"):
        plain(1j)
