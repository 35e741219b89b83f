"""`gateway rules test`: what a rule would do with a file, or with what came lately, and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gateway.admin.context import Context
from gateway.admin.names import Names
from gateway.admin.rule_text import action_words
from gateway.config import parse_duration
from gateway.db import clock, rules
from gateway.ingest.file_kind import media_type_of
from gateway.jobs import rule_test
from gateway.jobs.rule_test import Explanation
from gateway.model.errors import MalformedData, Unsupported, UsageError
from gateway.model.routing import Rule

SECOND = 1_000_000  # microseconds


@dataclass(frozen=True, slots=True)
class TestLine:
    """What the rule would do with one object: `subject` is a SOP Instance UID, or the name of a raw file.

    `matched` is None where it cannot be evaluated, and the object held.
    """

    __test__ = False

    subject: str
    matched: bool | None
    then: str
    reason: str


def run(context: Context, name: str, file: str | None = None, since: str | None = None) -> list[TestLine]:
    """Evaluate a rule, enabled or not, on a file, DICOM or raw data, or on what came in since a duration ago, oldest
    first.
    """
    with context.database.read() as connection:
        rule, names = rules.get(connection, name), Names.read(connection)
        if file is not None:
            path = Path(file)
            return list(_lines([_of_file(context, rule, path)], names, unnamed=path.name))
        moment = clock.now(connection) - round(_seconds(since) * SECOND)
        return list(_lines(rule_test.evaluate_since([rule], connection, moment), names))


def _of_file(context: Context, rule: Rule, path: Path) -> Explanation:
    try:
        media_type = media_type_of(path)
        if media_type is not None:
            found = context.scans.inspect(path, media_type)
            return rule_test.evaluate_mrd_header([rule], found.header_xml)
        with path.open("rb") as opened:
            return rule_test.evaluate_file([rule], opened)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except (MalformedData, Unsupported) as error:
        raise UsageError(f"{path}: {error}") from error


def _lines(explanations: Iterable[Explanation], names: Names, *, unnamed: str = "") -> Iterable[TestLine]:
    """`unnamed` stands for a raw scan that is not in the index."""
    for each in explanations:
        subject = each.sop_instance_uid or unnamed
        (verdict,) = each.decision.verdicts or (None,)
        if verdict is None:
            yield TestLine(subject, False, "", "the rule does not concern such objects")
            continue
        then = ", ".join(action_words(planned.action, names.peer) for planned in each.decision.actions)
        yield TestLine(subject, verdict.matched, then, verdict.reason)


def _seconds(since: str | None) -> float:
    try:
        return parse_duration(since or "")
    except ValueError as error:
        raise UsageError(f"--since: {error}") from error
