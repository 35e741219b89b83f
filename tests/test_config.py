"""Settings: where they come from, which of them win, and what a mistake is told."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path

import pytest

from gateway.config import Access, load, parse_duration
from gateway.model.errors import UsageError


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("GATEWAY_"):
            monkeypatch.delenv(name)


def written(home: Path, text: str) -> Path:
    (home / "gateway.toml").write_text(text)
    return home


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert (settings.dicom.ae_title, settings.dicom.port, settings.mrd.port) == ("GATEWAY", 11112, 9002)
    assert settings.database.url_in(tmp_path) == f"sqlite:///{tmp_path}/gateway.db"
    assert settings.store.folder_in(tmp_path) == tmp_path / "store"


def test_the_environment_wins_over_the_file_and_leaves_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_DICOM__PORT", "104")
    settings = load(written(tmp_path, '[dicom]\nport = 4242\nae_title = "NODE"\n'))
    assert (settings.dicom.port, settings.dicom.ae_title) == (104, "NODE")


def test_the_home_variable_is_no_section(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_HOME", str(tmp_path))
    load(tmp_path)


@pytest.mark.parametrize(
    ("variable", "value", "key", "expected"),
    [
        ("GATEWAY_DICOM__AE_ALIASES", "ONE, TWO", "dicom.ae_aliases", ("ONE", "TWO")),
        ("GATEWAY_DICOM__AE_ALIASES", '["ONE"]', "dicom.ae_aliases", ("ONE",)),
        ("GATEWAY_MRD__ACCESS", "10.0.0.0/8", "mrd.access", (ipaddress.ip_network("10.0.0.0/8"),)),
        ("GATEWAY_MRD__ALIASES", "default.xml=cs", "mrd.aliases", {"default.xml": "cs"}),
        ("GATEWAY_STORE__RESERVE", "10GiB", "store.reserve", 10 * 1024**3),
        ("GATEWAY_RECON__TIME_LIMIT", "2h", "recon.time_limit", 7200.0),
        ("GATEWAY_ROUTING__SERIES_QUIET_SECONDS", "0.5", "routing.series_quiet_seconds", 0.5),
    ],
)
def test_values_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, key: str, expected: object
) -> None:
    monkeypatch.setenv(variable, value)
    section, name = key.split(".")
    assert getattr(getattr(load(tmp_path), section), name) == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[dicom]\nprot = 1\n", "dicom.prot: no such setting; did you mean dicom.port?"),
        ("[dicm]\nport = 1\n", "dicm: no such setting; did you mean dicom?"),
        ('[dicom]\nae_title = "SEVENTEEN_LETTERS"\n', "dicom.ae_title: an AE title has 1 to 16"),
        ('[dicom]\nae_title = "A\\\\B"\n', "dicom.ae_title"),
        ("[dicom]\nport = 65536\n", "dicom.port: Input should be less than or equal to 65535"),
        ('[mrd]\naccess = ["10.0.0.0/33"]\n', "mrd.access: '10.0.0.0/33' does not appear"),
        ('[mrd]\nhost = "0.0.0.0"\n', "mrd: access is required"),
        ('[store]\nreserve = "ten"\n', "store.reserve"),
        ('[store]\nurl = "s3://bucket"\n', "store: url is a folder"),
        ('[recon]\ntime_limit = "2 weeks"\n', "recon.time_limit: a duration is a number with s, min, h or d"),
        ("[dicom\n", "is not TOML"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UsageError) as raised:
        load(written(tmp_path, text))
    assert told in str(raised.value)
    assert str(tmp_path / "gateway.toml") in str(raised.value)


@pytest.mark.parametrize(
    ("variable", "told"),
    [
        ("GATEWAY_DICOM__PROT", "GATEWAY_DICOM__PROT: no such setting; did you mean dicom.port?"),
        ("GATEWAY_DIOM__PORT", "GATEWAY_DIOM__PORT: no section diom; did you mean dicom?"),
        ("GATEWAY_DICOM__PORT", "GATEWAY_DICOM__PORT: Input should be a valid integer"),
    ],
)
def test_a_mistake_in_the_environment_names_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, told: str
) -> None:
    monkeypatch.setenv(variable, "x")
    with pytest.raises(UsageError, match=told.replace("?", r"\?")):
        load(tmp_path)


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised:
        load(written(tmp_path, "[dicom]\nport = -1\nprot = 1\n[log]\nlevel = 3\n"))
    assert len(str(raised.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("text", "accepts_any"),
    [
        ("", True),
        ('[dicom]\nhost = "0.0.0.0"\n', False),
        ('[dicom]\nhost = "0.0.0.0"\naccess = "any"\n', True),
        ('[dicom]\naccess = "peers"\n', False),
        ('[dicom]\nhost = "::1"\n', True),
        ('[dicom]\nhost = "gateway.example"\n', False),
    ],
)
def test_off_loopback_only_peers_may_call_unless_told_otherwise(tmp_path: Path, text: str, accepts_any: bool) -> None:
    assert load(written(tmp_path, text)).dicom.accepts_any is accepts_any


def test_settings_cannot_be_changed(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        load(tmp_path).dicom.access = Access.ANY


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("1.5 min", 90), ("2h", 7200), ("7d", 604800)])
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "-1s", "1w", "1 s 2"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError):
        parse_duration(text)


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        ('tls_cert = "c.pem"', "tls_cert and tls_key are set both or neither"),
        ('tls_cert = "c.pem"\ntls_key = "k.pem"', "tls_ca says whose certificates"),
        ('tls_client_auth = "sometimes"', "dicom.tls_client_auth"),
        ('user_identity = "maybe"', "dicom.user_identity"),
    ],
)
def test_half_of_tls_is_an_error_that_says_what_is_missing(lines: str, named: str, tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").write_text(f"[dicom]\n{lines}\n")
    with pytest.raises(UsageError, match=named):
        load(tmp_path)


def test_a_whole_tls(tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").write_text('[dicom]\ntls_cert = "c.pem"\ntls_key = "k.pem"\ntls_client_auth = "none"\n')
    assert load(tmp_path).dicom.tls_port == 2762
