"""The nucleus from what headers really hold."""

from __future__ import annotations

import pytest

from gateway.model.mrd import AcquisitionSystem, ScanHeader, UserParameters
from gateway.model.nucleus import GYROMAGNETIC_RATIO, resonance


def make_header(h1: int | None, field: float | None, nucleus: str = "", own: int | None = None) -> ScanHeader:
    user = UserParameters(
        long={} if own is None else {"NucleusFrequency_Hz": own}, string={"Nucleus": nucleus} if nucleus else {}
    )
    return ScanHeader((), system=AcquisitionSystem(field_strength_t=field, h1_frequency_hz=h1), user=user)


@pytest.mark.parametrize(
    ("header", "nucleus", "mhz"),
    [
        (make_header(123_263_034, 2.89362), "1H", 123.263034),
        (make_header(123_203_043, 2.89362, "129Xe", 34_092_220), "129Xe", 34.09222),
        (make_header(123_203_043, 2.89362, own=34_092_220), "129Xe", 34.09222),
        (make_header(127_732_436, 3.0, "13C", 32_125_200), "13C", 32.1252),
        (make_header(32_125_200, 3.0), "13C", 32.1252),
        (make_header(32_125_200, 3.0, "c-13"), "13C", 32.1252),
        (make_header(127_732_436, 3.0, "Xe129"), "129Xe", None),
        (make_header(212_887_393, 5.0, "proton"), "1H", 212.887393),
        (make_header(63_866_218, None), "", 63.866218),
        (make_header(123_200_000, 3.0), "", 123.2),
        (make_header(None, 3.0), "", None),
        (make_header(0, 0.0), "", None),
    ],
)
def test_resonance(header: ScanHeader, nucleus: str, mhz: float | None) -> None:
    found = resonance(header)
    assert found.nucleus == nucleus
    assert found.frequency_mhz == (None if mhz is None else pytest.approx(mhz))


@pytest.mark.parametrize(
    ("given", "nucleus"), [("31P", "31P"), ("P31", "31P"), ("23 na", "23Na"), ("87Rb", "87Rb"), ("water", "")]
)
def test_spellings(given: str, nucleus: str) -> None:
    assert resonance(make_header(None, None, given)).nucleus == nucleus


@pytest.mark.parametrize("error", [-0.02, -0.01, 0.0, 0.01, 0.02])
def test_no_nucleus_is_taken_for_another(error: float) -> None:
    for name, ratio in GYROMAGNETIC_RATIO.items():
        assert resonance(make_header(round(ratio * 3e6 * (1 + error)), 3.0)).nucleus in ("", name)


def test_a_nucleus_is_known_by_its_frequency() -> None:
    known = {resonance(make_header(round(ratio * 3e6), 3.0)).nucleus for ratio in GYROMAGNETIC_RATIO.values()}
    assert known == set(GYROMAGNETIC_RATIO) - {"7Li"} | {""}  # 31P is 4.0 % away from it
