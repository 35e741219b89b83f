"""Storage commitment with programs that we did not write: pynetdicom both ways; Orthanc as who asks, and is asked."""

from __future__ import annotations

import json
import re
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, build_role, evt

from benchmarks.objects import TINY_16, write_study
from tests.interop.peers import Node, eventually, free_port, gateway_node, orthanc
from tests.interop.pynetdicom_peer import listening
from tests.interop.raw_scu import FileObject, RawScu, read_file

pytestmark = pytest.mark.interop

PUSH_MODEL = "1.2.840.10008.1.20.1"
INSTANCE = "1.2.840.10008.1.20.1.1"
ALL, SOME = 1, 2
NUMBERS = count(1)


@dataclass
class Heard:
    """What a requester was told: event type and data set, each with the title of who told it."""

    reports: list[tuple[int, Dataset, str]] = field(default_factory=list)
    status: int = 0x0000

    def handle(self, event: Any) -> tuple[int, None]:
        self.reports.append((event.event_type, event.event_information, event.assoc.requestor.ae_title))
        return self.status, None


@dataclass
class Study:
    """Objects that the node has acknowledged."""

    uid: str
    items: list[FileObject]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with gateway_node(tmp_path_factory.mktemp("commitment") / "node") as running:
        yield running


@pytest.fixture
def study(node: Node, tmp_path: Path) -> Study:
    return sent_study(node, tmp_path / "study")


@pytest.fixture
def title() -> str:
    """Of a requester that no other test is."""
    return f"CT{next(NUMBERS)}"


@pytest.fixture
def transaction() -> str:
    return f"1.2.3.{next(NUMBERS)}"


def sent_study(node: Node, folder: Path) -> Study:
    """Five new objects, sent to the node."""
    known = {study["study_instance_uid"] for study in node.call("studies.list", keys={})}
    write_study(folder, TINY_16, 5)
    items = [read_file(path) for path in sorted(folder.iterdir())]
    with RawScu(node.dicom_port, node.ae_title, [(items[0].sop_class_uid, items[0].transfer_syntax_uid)]) as scu:
        assert {scu.store(item) for item in items} == {0x0000}
    (new,) = {study["study_instance_uid"] for study in node.call("studies.list", keys={})} - known
    return Study(new, items)


def request_of(items: list[FileObject], transaction: str) -> Dataset:
    request = Dataset()
    request.TransactionUID = transaction
    request.ReferencedSOPSequence = []
    for item in items:
        reference = Dataset()
        reference.ReferencedSOPClassUID = item.sop_class_uid
        reference.ReferencedSOPInstanceUID = item.sop_instance_uid
        request.ReferencedSOPSequence.append(reference)
    return request


@contextmanager
def association(node: Node, heard: Heard, calling: str) -> Iterator[Any]:
    entity = AE(ae_title=calling)
    entity.add_requested_context(PUSH_MODEL)
    made = entity.associate(
        "127.0.0.1", node.dicom_port, ae_title=node.ae_title, evt_handlers=[(evt.EVT_N_EVENT_REPORT, heard.handle)]
    )
    assert made.is_established
    try:
        yield made
    finally:
        if made.is_established:
            made.release()


def ask(made: Any, request: Dataset, action: int = 1, instance: str = INSTANCE) -> int:
    status, _ = made.send_n_action(request, action, PUSH_MODEL, instance)
    return int(status.Status)


@contextmanager
def waiting_for_reports(heard: Heard, port: int, title: str) -> Iterator[None]:
    """With the role that belongs to that."""
    entity = AE(ae_title=title)
    entity.add_supported_context(PUSH_MODEL, scu_role=False, scp_role=True)
    with listening(entity, (evt.EVT_N_EVENT_REPORT, heard.handle), port=port):
        yield


def uids(sequence: Any) -> list[str]:
    return [str(item.ReferencedSOPInstanceUID) for item in sequence]


def line_of(node: Node, transaction: str) -> dict[str, Any]:
    """What `commitments list` has of a transaction."""
    (line,) = [line for line in node.call("commitments.list") if line["transaction_uid"] == transaction]
    found: dict[str, Any] = line
    return found


def status_of(node: Node) -> str:
    return json.dumps(node.call("status.report"))


def test_a_report_on_the_association_that_asked(node: Node, study: Study, title: str) -> None:
    heard = Heard()
    with association(node, heard, title) as made:
        assert ask(made, request_of(study.items, f"1.2.4.{title[2:]}.1")) == 0x0000
        assert eventually(lambda: len(heard.reports) == 1)
        assert ask(made, request_of(study.items[:1], f"1.2.4.{title[2:]}.2")) == 0x0000, "the association goes on"
        assert eventually(lambda: len(heard.reports) == 2)
    kind, report, _ = heard.reports[0]
    assert (kind, report.TransactionUID) == (ALL, f"1.2.4.{title[2:]}.1")
    assert uids(report.ReferencedSOPSequence) == [item.sop_instance_uid for item in study.items]
    assert "FailedSOPSequence" not in report
    assert eventually(lambda: line_of(node, report.TransactionUID)["state"] == "reported")
    assert title in node.cli("commitments", "list").stdout


def test_what_is_not_safe_is_named_with_its_reason(node: Node, study: Study, title: str, transaction: str) -> None:
    shown = node.call("studies.show", uid=study.uid)
    stored = {one["sop_instance_uid"]: one["store_key"] for series in shown["series"] for one in series["instances"]}
    damaged, lost = (node.home / "store" / stored[item.sop_instance_uid] for item in study.items[:2])
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"\xff")
    lost.unlink()
    request = request_of(study.items, transaction)
    request.ReferencedSOPSequence[2].ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    request.ReferencedSOPSequence[3].ReferencedSOPInstanceUID = "1.2.3.4.5"
    request.ReferencedSOPSequence[4].ReferencedSOPInstanceUID = "1.2.3.4.6"
    request.ReferencedSOPSequence[4].ReferencedSOPClassUID = "1.2.840.10008.1.1"
    heard = Heard()
    with association(node, heard, title) as made:
        assert ask(made, request) == 0x0000
        assert eventually(lambda: len(heard.reports) == 1)
    kind, report, _ = heard.reports[0]
    assert kind == SOME
    assert "ReferencedSOPSequence" not in report
    assert [item.FailureReason for item in report.FailedSOPSequence] == [0x0110, 0x0110, 0x0119, 0x0112, 0x0122]
    assert "does not give back" in status_of(node)
    shown = node.cli("commitments", "show", str(line_of(node, transaction)["id"])).stdout
    reasons = re.findall(r"\b(0110|0112|0119|0122)\b", shown)  # not within a UID
    assert sorted(reasons) == ["0110", "0110", "0112", "0119", "0122"]


def test_a_report_after_the_requester_left_and_the_node_was_killed(
    node: Node, study: Study, title: str, transaction: str
) -> None:
    heard, port = Heard(), free_port()
    with association(node, heard, title) as made:
        assert ask(made, request_of(study.items, transaction)) == 0x0000
        made.abort()
    assert eventually(lambda: f"{title}@HOST:PORT" in status_of(node)), node.log.read_text()
    node.kill()
    node.start()
    node.cli("peers", "add", title, f"{title}@127.0.0.1:{port}")
    with waiting_for_reports(heard, port, title):
        node.call("jobs.retry", job_id=line_of(node, transaction)["job"])
        assert eventually(lambda: bool(heard.reports))
    kind, report, told_by = heard.reports[0]
    assert (kind, report.TransactionUID, told_by) == (ALL, transaction, node.ae_title)


def test_a_report_that_is_refused_stays_with_the_administrator(
    node: Node, study: Study, title: str, transaction: str
) -> None:
    heard, port = Heard(status=0x0115), free_port()
    node.cli("peers", "add", title, f"{title}@127.0.0.1:{port}")
    with waiting_for_reports(heard, port, title):
        with association(node, heard, title) as made:
            assert ask(made, request_of(study.items, transaction)) == 0x0000
            assert eventually(lambda: len(heard.reports) == 1)
        assert eventually(lambda: "status 0115" in status_of(node))
        heard.status = 0x0000
        assert line_of(node, transaction)["state"] == "judged"
        node.call("jobs.retry", job_id=line_of(node, transaction)["job"])
        assert eventually(lambda: line_of(node, transaction)["state"] == "reported")


def test_what_is_no_request_is_answered_with_what_is_wrong(node: Node, study: Study, title: str) -> None:
    known = node.call("commitments.list")
    without = request_of(study.items, "1.2.3")
    del without.TransactionUID
    with association(node, Heard(), title) as made:
        assert ask(made, request_of(study.items, "1.2.3"), action=2) == 0x0123
        assert ask(made, request_of(study.items, "1.2.3"), instance="1.2.3") == 0x0112
        assert ask(made, without) == 0x0115
        assert ask(made, request_of([], "1.2.3")) == 0x0115
    assert node.call("commitments.list") == known


def test_another_request_under_a_transaction_uid_that_is_in_use(
    node: Node, study: Study, title: str, transaction: str
) -> None:
    heard = Heard()
    with association(node, heard, title) as made:
        for number, wanted in enumerate((study.items[:2], study.items[:2], study.items[2:]), start=1):
            assert ask(made, request_of(wanted, transaction)) == 0x0000
            assert eventually(lambda number=number: len(heard.reports) == number)  # type: ignore[misc]
    assert [kind for kind, _, _ in heard.reports] == [ALL, ALL, SOME]
    assert {item.FailureReason for item in heard.reports[2][1].FailedSOPSequence} == {0x0131}


def test_a_peer_that_may_not_ask(node: Node, title: str) -> None:
    node.cli("peers", "add", title, title, "--from", "127.0.0.1/32", "--allow", "echo,store")
    entity = AE(ae_title=title)
    entity.add_requested_context(PUSH_MODEL)
    made = entity.associate("127.0.0.1", node.dicom_port, ae_title=node.ae_title)
    assert made.accepted_contexts == []
    made.abort()


def rest(port: int, path: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", data, timeout=10) as answer:
        return json.loads(answer.read())


def commitments_of(node: Node, study: Study) -> set[str]:
    """What the ledger says of the study's objects."""
    wanted = {item.sop_instance_uid for item in study.items}
    return {line["commitment"] for line in node.call("deliveries.list") if line["sop_instance_uid"] in wanted}


def tail(node: Node) -> str:
    return node.log.read_text()[-3000:]


def eventually_asked(node: Node, condition: Callable[[], bool]) -> bool:
    """As `eventually`, by an administrator who does not wait until a destination has had nothing new for a while."""

    def asked() -> bool:
        for job in node.call("jobs.list", kind="ask-commit"):
            if job["state"] == "ready":
                node.call("jobs.retry", job_id=job["id"])
        return condition()

    return eventually(asked)


def test_orthanc_asks_and_is_asked(tmp_path: Path, node: Node, study: Study) -> None:
    with orthanc(tmp_path / "orthanc", peers={node.ae_title: (node.ae_title, node.dicom_port)}) as peer:
        node.cli("peers", "add", "orthanc", peer.address, "--commitment")
        node.cli("send", study.uid, "--to", "orthanc")
        wanted = [[item.sop_class_uid, item.sop_instance_uid] for item in study.items]
        body = {"DicomInstances": [*wanted, [study.items[0].sop_class_uid, "1.2.3.4.5"]], "Timeout": 5}
        asked = rest(peer.http_port, f"/modalities/{node.ae_title}/storage-commitment", body)

        def answer() -> Any:
            return rest(peer.http_port, asked["Path"])

        assert eventually(lambda: answer()["Status"] != "Pending"), tail(node)
        assert answer()["Status"] == "Failure"
        assert [one["SOPInstanceUID"] for one in answer()["Success"]] == [item[1] for item in wanted]
        assert [one["SOPInstanceUID"] for one in answer()["Failures"]] == ["1.2.3.4.5"]
        assert eventually_asked(node, lambda: commitments_of(node, study) == {"committed"}), node.log.read_text()[
            -3000:
        ]


@dataclass
class Archive:
    """Takes objects and, asked to vouch for them, refuses the first of them the first time."""

    node: Node
    title: str
    received: list[str] = field(default_factory=list)
    asked: int = 0

    def store(self, event: Any) -> int:
        self.received.append(str(event.request.AffectedSOPInstanceUID))
        return 0x0000

    def action(self, event: Any) -> tuple[int, None]:
        threading.Thread(target=self.tell, args=(event.action_information,), daemon=True).start()
        return 0x0000, None

    def tell(self, request: Dataset) -> None:
        """Over an association of its own."""
        self.asked += 1
        bad = 1 if self.asked == 1 else 0
        failed, safe = list(request.ReferencedSOPSequence[:bad]), list(request.ReferencedSOPSequence[bad:])
        report = Dataset()
        report.TransactionUID = request.TransactionUID
        report.ReferencedSOPSequence = safe
        for item in failed:
            item.FailureReason = 0x0110
        if failed:
            report.FailedSOPSequence = failed
        teller = AE(ae_title=self.title)
        teller.add_requested_context(PUSH_MODEL)
        roles: list[Any] = [build_role(PUSH_MODEL, scp_role=True)]
        made = teller.associate("127.0.0.1", self.node.dicom_port, ae_title=self.node.ae_title, ext_neg=roles)
        made.send_n_event_report(report, SOME if failed else ALL, PUSH_MODEL, INSTANCE)
        made.release()


def test_what_a_destination_does_not_vouch_for_is_sent_again(node: Node, study: Study, title: str) -> None:
    archive, port, entity = Archive(node, title), free_port(), AE(ae_title=title)
    entity.add_supported_context(study.items[0].sop_class_uid, study.items[0].transfer_syntax_uid)
    entity.add_supported_context(PUSH_MODEL)
    with listening(entity, (evt.EVT_C_STORE, archive.store), (evt.EVT_N_ACTION, archive.action), port=port):
        node.cli("peers", "add", title, f"{title}@127.0.0.1:{port}", "--commitment")
        node.cli("send", study.uid, "--to", title)
        assert eventually_asked(node, lambda: "not committed" in status_of(node)), tail(node)
        node.cli("jobs", "retry", "--to", title)
        assert eventually_asked(node, lambda: commitments_of(node, study) == {"committed"}), node.log.read_text()[
            -3000:
        ]
    assert len(archive.received) == len(study.items) + 1
