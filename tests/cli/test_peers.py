"""`gateway peers`: addresses, what is refused, and the listing."""

from __future__ import annotations

import pytest
import typer

from gateway.cli.peers import Address, parse_address
from tests.cli.conftest import Command


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("PACS@10.0.0.5:104", Address("PACS", "10.0.0.5", 104)),
        ("PACS@pacs.example:11112", Address("PACS", "pacs.example", 11112)),
        ("PACS@[2001:db8::1]:104", Address("PACS", "2001:db8::1", 104)),
        ("A@B@host:1", Address("A@B", "host", 1)),
        ("SCANNER 1", Address("SCANNER 1")),
    ],
)
def test_addresses(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["PACS@host", "PACS@host:0", "PACS@host:65536", "@host:104", "PACS@:104", "P@::1:104"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="AET@HOST:PORT"):
        parse_address(text)


def test_a_peer_is_added_changed_renamed_and_removed(gateway: Command) -> None:
    added = gateway("peers", "add", "pacs", "PACS@10.0.0.5:104", "--allow", " echo,", "--max-associations", "4")
    assert (added.status, added.err) == (0, "")
    assert gateway("peers", "set", "pacs", "--address", "PACS2@10.0.0.6:105", "--calling-aet", "ME").status == 0
    assert gateway("peers", "rename", "pacs", "archive").status == 0
    peer = gateway("peers", "show", "archive", "--json").json
    assert (peer["ae_title"], peer["host"], peer["port"]) == ("PACS2", "10.0.0.6", 105)
    assert (peer["services"], peer["max_associations"], peer["calling_aet"]) == (["echo"], 4, "ME")
    assert gateway("peers", "set", "archive", "--calling-aet", "").status == 0
    assert gateway("peers", "show", "archive", "--json").json["calling_aet"] is None
    assert gateway("peers", "remove", "archive", "--yes").status == 0
    assert gateway("peers", "list", "--json").json == []


def test_a_peer_with_tls_and_users(gateway: Command) -> None:
    shown = "sha256 Fingerprint=" + ":".join(["0A"] * 32)
    added = gateway("peers", "add", "pacs", "PACS@10.0.0.5:2762", "--tls", "--tls-fingerprint", shown, "--require-user")
    assert (added.status, added.err) == (0, "")
    peer = gateway("peers", "show", "pacs", "--json").json
    assert (peer["tls"], peer["tls_name"], peer["tls_fingerprint"]) == (True, None, "0a" * 32)
    assert peer["require_user"]
    options = ("--no-tls", "--tls-name", "pacs.example", "--tls-fingerprint", "", "--no-require-user")
    assert gateway("peers", "set", "pacs", *options).status == 0
    peer = gateway("peers", "show", "pacs", "--json").json
    assert (peer["tls"], peer["tls_name"], peer["tls_fingerprint"]) == (False, "pacs.example", None)
    assert not peer["require_user"]
    assert "64 hexadecimal digits" in gateway("peers", "set", "pacs", "--tls-fingerprint", "0a0b").err


def test_the_listing_as_a_table_as_json_and_as_csv(gateway: Command) -> None:
    gateway("peers", "add", "scanner", "MR1", "--from", "10.0.1.0/24", "--from", "10.0.2.0/24")
    assert "10.0.1.0/24, 10.0.2.0/24" in gateway("peers", "list").out
    (line,) = gateway("peers", "list", "--json").json
    assert (line["name"], line["address"], line["paused"], line["waiting"]) == ("scanner", "", False, 0)
    head, row = gateway("peers", "list", "--csv").out.splitlines()
    assert head.startswith("name,ae_title,address")
    assert row.startswith('scanner,MR1,,"10.0.1.0/24, 10.0.2.0/24"')


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("add", "a", "MR1"), "--from"),
        (("add", "a", "MR1", "--from", "10.0.0.0/99"), "10.0.0.0/99"),
        (("add", "a", "SEVENTEEN_LETTERS@h:104"), "AE title"),
        (("add", "a", "PACS@h:104", "--allow", "echo,stor"), "'stor' is none of commit,echo,find,get,move,store"),
        (("add", "taken", "PACS@h:104"), "exists already"),
        (("show", "takn"), "did you mean taken?"),
        (("set", "taken"), "nothing to change"),
        (("echo", "nobody"), "no peer is named"),
    ],
)
def test_wrong_use_is_one_line_and_status_2(gateway: Command, arguments: tuple[str, ...], told: str) -> None:
    gateway("peers", "add", "taken", "PACS@h:104")
    done = gateway("peers", *arguments)
    assert done.status == 2
    assert told in done.err
    assert done.err.count("\n") == 1
    assert done.out == ""


def test_a_peer_that_does_not_answer_is_status_1(gateway: Command) -> None:
    gateway("peers", "add", "down", "PACS@127.0.0.1:1")
    done = gateway("peers", "echo", "down")
    assert (done.status, done.out) == (1, "")
    assert "127.0.0.1:1" in done.err


def test_a_peer_that_a_rule_names_is_not_removed(gateway: Command) -> None:
    gateway("peers", "add", "pacs", "PACS@h:104")
    gateway("rules", "add", "all", "--send", "pacs")
    done = gateway("peers", "remove", "pacs", "--yes")
    assert done.status == 2
    assert "rules send to pacs: all" in done.err
