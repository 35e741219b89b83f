"""Intermediate results as files: what BART reads of them, and what a process that has gone wrong may not do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gateway.jobs.recon_task import StageBegun, event_from_json, event_to_json
from gateway.jobs.stage_files import CflWriter
from gateway.model.errors import MalformedData, NodeFault
from gateway.model.mrd import Image


def stage(name: str, *dimensions: int) -> StageBegun:
    return StageBegun(name, (*dimensions, *[1] * (16 - len(dimensions))))


def piece(*values: complex) -> Image:
    return Image(np.array(values, np.complex64)[None, None, None])


def test_pieces_are_put_together(tmp_path: Path) -> None:
    writer = CflWriter(tmp_path / "stages")
    writer.begin(stage("kspace slice 3", 2, 2))
    assert writer.take(piece(1, 2, 3))
    assert writer.take(piece(4j))
    assert not writer.take(piece(5))
    (path,) = writer.written
    assert path.name == "0001_kspace_slice_3.cfl"
    np.testing.assert_array_equal(np.fromfile(path, np.complex64), [1, 2, 3, 4j])
    assert path.with_suffix(".hdr").read_text().splitlines()[1].startswith("2 2 1 1")


def test_no_name_leads_out_of_the_folder(tmp_path: Path) -> None:
    writer = CflWriter(tmp_path / "stages")
    writer.begin(stage("../../etc/Pass wd\0", 1))
    assert [path.relative_to(tmp_path / "stages").name for path in writer.written] == ["0001_etc_pass_wd.cfl"]


def test_what_was_not_announced_is_refused(tmp_path: Path) -> None:
    writer = CflWriter(tmp_path)
    writer.begin(stage("a", 2))
    with pytest.raises(NodeFault, match="more of an intermediate result"):
        writer.take(piece(1, 2, 3))
    with pytest.raises(NodeFault, match="broke off"):
        writer.begin(stage("b", 2))


@pytest.mark.parametrize("dimensions", [(), (0,) * 16, (1,) * 15, (-1, *[1] * 15), (1 << 50, *[1] * 15)])
def test_sizes_that_cannot_be_are_refused(tmp_path: Path, dimensions: tuple[int, ...]) -> None:
    with pytest.raises(MalformedData, match="without a size"):
        CflWriter(tmp_path).begin(StageBegun("a", dimensions))


def test_the_announcement_comes_back_from_its_text() -> None:
    begun = stage("maps slice 0", 4, 5)
    assert event_from_json(event_to_json(begun)) == begun
