"""Bytes come out as they went in: every real file through the node to a bit-preserving sink."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from tests.interop.peers import Node, eventually
from tests.interop.raw_scu import FileObject, RawScu, Sink, read_file, sink

pytestmark = pytest.mark.interop

CONTEXTS_AT_MOST = 100
# Success, or, for a data set that is cut off, the warning that it does not match its SOP class.
TAKEN = (0x0000, 0xB007)
KEPT = {"added", "conflict-kept"}


def real_files(folder: Path) -> list[FileObject]:
    return [read_file(path) for path in sorted(folder.rglob("*")) if path.is_file()]


def rounds(files: Sequence[FileObject]) -> Iterator[list[FileObject]]:
    """Files under one SOP Instance UID go in different rounds: of several versions only the newest is routed."""
    versions: defaultdict[str, list[FileObject]] = defaultdict(list)
    for item in files:
        if all(item.data_set != other.data_set for other in versions[item.sop_instance_uid]):
            versions[item.sop_instance_uid].append(item)
    for number in range(max(map(len, versions.values()))):
        yield [items[number] for items in versions.values() if number < len(items)]


def send(node: Node, files: Sequence[FileObject]) -> None:
    """Each file in its own transfer syntax, on as many associations as the contexts need."""
    for begin in range(0, len(files), CONTEXTS_AT_MOST):
        batch = files[begin : begin + CONTEXTS_AT_MOST]
        contexts = [(item.sop_class_uid, item.transfer_syntax_uid) for item in batch]
        with RawScu(node.dicom_port, node.ae_title, contexts) as scu:
            for item in batch:
                assert scu.store(item) in TAKEN, item.path


def has(target: Sink, count: int) -> bool:
    return target.count() >= count


def test_every_valid_file_comes_out_byte_for_byte(node: Node, shared_data: Path) -> None:
    files = real_files(shared_data / "dicom" / "valid")
    with sink(sorted({item.transfer_syntax_uid for item in files})) as target:
        node.cli("peers", "add", "sink", f"SINK@127.0.0.1:{target.port}")
        node.cli("rules", "add", "everything", "--on", "instance", "--send", "sink")
        expected: defaultdict[str, list[tuple[str, bytes]]] = defaultdict(list)
        for batch in rounds(files):
            for item in batch:
                expected[item.sop_instance_uid].append((item.transfer_syntax_uid, item.data_set))
            send(node, batch)
            total = sum(map(len, expected.values()))
            assert eventually(partial(has, target, total)), node.cli("deliveries", "list").stdout
        for uid, versions in expected.items():
            assert target.received[uid] == versions, uid
        assert target.count() == total


def test_other_files_are_kept_bit_for_bit_or_refused_by_name(node: Node, shared_data: Path) -> None:
    folder = shared_data / "dicom" / "other"
    done = node.cli("import", str(folder), "--json", check=False)
    assert done.returncode == 1
    outcomes = json.loads(done.stdout)["files"]
    assert len(outcomes) == sum(path.is_file() for path in folder.rglob("*"))
    for outcome in outcomes:
        assert outcome["outcome"] in KEPT | {"refused", "skipped"}, outcome
        assert bool(outcome["error"]) == (outcome["outcome"] not in KEPT), outcome
    kept = {Path(outcome["path"]).name for outcome in outcomes if outcome["outcome"] in KEPT}
    assert "40c41bdf_rtstruct.dcm" in kept
