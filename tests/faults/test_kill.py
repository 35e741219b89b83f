"""kill -9 at any moment: nothing acknowledged is missing, everything is delivered, nothing is in the index twice."""

from __future__ import annotations

import os
import random
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import select

from benchmarks.objects import TINY_16, write_study
from gateway.db.engine import Database
from gateway.db.tables import instances
from gateway.ingest.sweep import sweep
from gateway.ingest.verify import Problem, verify
from gateway.store.filesystem import FilesystemStore
from tests.faults.seeds import chance
from tests.faults.test_hostile_disk import REPLY, STEPS
from tests.faults.tracing import injection, traced
from tests.interop.peers import Node, eventually, gateway_node
from tests.interop.raw_scu import FileObject, RawScu, read_file, sink

EXPLICIT = "1.2.840.10008.1.2.1"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    # A job that is killed twice waits for the end of its lease.
    settings = {"GATEWAY_ROUTING__SERIES_QUIET_SECONDS": "0.2", "GATEWAY_NODE__LEASE_SECONDS": "5"}
    with gateway_node(tmp_path / "node", **settings) as running:
        yield running


@pytest.fixture
def objects(tmp_path: Path) -> list[FileObject]:
    """Three hundred small instances in three series."""
    folders = [tmp_path / f"study{number}" for number in range(3)]
    for folder in folders:
        write_study(folder, TINY_16, 100)
    return [read_file(path) for folder in folders for path in sorted(folder.iterdir())]


def send_until_cut(node: Node, items: list[FileObject], acknowledged: list[FileObject]) -> None:
    """Send over one association, keeping a ledger of what was answered with Success, until the node dies."""
    try:
        with RawScu(node.dicom_port, node.ae_title, [(items[0].sop_class_uid, EXPLICIT)]) as scu:
            for item in items:
                if scu.store(item) == 0x0000:
                    acknowledged.append(item)
    except OSError:
        return


@pytest.mark.parametrize("seed", range(4))
def test_receiving(node: Node, objects: list[FileObject], seed: int) -> None:
    acknowledged: list[FileObject] = []
    sender = threading.Thread(target=send_until_cut, args=(node, objects, acknowledged))
    sender.start()
    time.sleep(random.Random(seed).uniform(0.02, 0.3))
    node.kill()
    sender.join()
    node.start()
    found = node.indexed()
    assert {item.sop_instance_uid for item in acknowledged} <= set(found)
    assert len(found) == len(set(found))
    verified = node.cli("db", "verify")
    assert verified.returncode == 0, verified.stdout


@pytest.mark.parametrize("trigger", ["series", "instance"])
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.soak) for seed in (1, 2))])
def test_forwarding_and_routing_while_instances_still_arrive(
    node: Node, objects: list[FileObject], seed: int, trigger: str
) -> None:
    with sink([EXPLICIT]) as target:
        node.cli("peers", "add", "sink", f"SINK@127.0.0.1:{target.port}")
        node.cli("rules", "add", "everything", "--on", trigger, "--send", "sink")
        acknowledged: list[FileObject] = []
        for third in range(3):
            items = objects[100 * third : 100 * third + 100]
            sender = threading.Thread(target=send_until_cut, args=(node, items, acknowledged))
            sender.start()
            time.sleep(random.Random(10 * seed + third).uniform(0.05, 0.8))
            node.kill()
            sender.join()
            node.start()
        wanted = {item.sop_instance_uid for item in acknowledged}
        assert eventually(lambda: wanted <= set(target.received)), node.cli("status", check=False).stdout
        for item in acknowledged:
            assert {data for _, data in target.received[item.sop_instance_uid]} == {item.data_set}
        found = node.indexed()
        assert len(found) == len(set(found))
        ledger = [item["sop_instance_uid"] for item in node.json("deliveries", "list")]
        assert len(ledger) == len(set(ledger))


KILLS = int(os.environ.get("GATEWAY_TEST_KILLS", "300"))
# At each step as often as at any moment.
MOMENTS = [*STEPS, "reply", "any moment"]


@pytest.mark.soak
def test_three_hundred_kills(node: Node, tmp_path: Path) -> None:
    """Up to three associations at once; after each kill the product, on what is left, has all that was acknowledged."""
    dice = chance()
    acknowledged: list[FileObject] = []
    killed: Counter[str] = Counter()
    for number in range(KILLS):
        folder = tmp_path / f"sent{number}"
        write_study(folder, TINY_16, 24)
        items = [read_file(path) for path in sorted(folder.iterdir())]
        moment = MOMENTS[number % len(MOMENTS)]
        kill_while_sending(node, items, acknowledged, moment, dice, tmp_path / "trace")
        killed[moment] += 1
        assert missing(node.home, acknowledged) == set(), f"kill {number} at {moment}"
        shutil.rmtree(folder)
        node.start()
    for path in (node.home / "store" / "tmp").iterdir():
        os.utime(path, (0, 0))
    node.stop()
    assert swept(node.home) == 0
    print(f"{sum(killed.values())} kills ({dict(killed)}), {len(acknowledged)} acknowledged, 0 missing")


def kill_while_sending(
    node: Node, items: list[FileObject], acknowledged: list[FileObject], moment: str, dice: Random, log: Path
) -> None:
    senders = dice.randint(1, 3)
    threads = [
        threading.Thread(target=send_until_cut, args=(node, items[part::senders], acknowledged))
        for part in range(senders)
    ]
    assert node.process is not None
    with ExitStack() as stack:
        if moment != "any moment":
            stack.enter_context(traced(node, *injection(fault_at(moment, dice.randint(1, 6))), log=log))
        for thread in threads:
            thread.start()
        if moment == "any moment":
            time.sleep(dice.uniform(0.0, 0.4))
            node.process.kill()
        node.process.wait(30)
        for thread in threads:
            thread.join()


def fault_at(moment: str, objects: int) -> str:
    """At that step of a thread's object with this number; of the steps that an object has but once."""
    fault, _, first = STEPS.get(moment, REPLY).format("signal=SIGKILL").rpartition("=")
    return f"{fault}={int(first) + objects - 1 if moment != 'commit' else int(first) + 2 * objects - 2}"


def missing(home: Path, acknowledged: list[FileObject]) -> set[str]:
    """What is not in the index of a home without a node, or whose object is not whole."""
    database = Database.open(f"sqlite:///{home / 'gateway.db'}")
    try:
        store = FilesystemStore.open_existing(home / "store")
        problems = {each.key: each.problem for each in verify(database, store) if each.problem}
        assert set(problems.values()) <= {Problem.UNREFERENCED}
        with database.read() as conn:
            known = list(conn.execute(select(instances.c.sop_instance_uid)).scalars())
        assert len(known) == len(set(known))
        return {item.sop_instance_uid for item in acknowledged} - set(known)
    finally:
        database.close()


def swept(home: Path) -> int:
    """Temporary files that are left after a sweep."""
    database = Database.open(f"sqlite:///{home / 'gateway.db'}")
    try:
        sweep(database, FilesystemStore.open_existing(home / "store"))
    finally:
        database.close()
    return len(list((home / "store" / "tmp").iterdir()))
