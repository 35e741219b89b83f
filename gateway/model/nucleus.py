"""Which nucleus was imaged, and at which frequency (PS3.3 C.8.3.1: Imaged Nucleus, Imaging Frequency).

The MRD header has a field for the proton frequency of the system only. Scans of other nuclei say more in user
parameters, `Nucleus` and `NucleusFrequency_Hz`; some converters put the other nucleus' frequency into the proton's
field, which shows when it is compared with the field strength.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from gateway.model.mrd import ScanHeader

# |γ/2π| in MHz/T: 42.5775 times the frequency ratios of Harris et al. 2001, doi:10.1351/pac200173111795; the noble
# gases 3He and 129Xe as dilute gas.
GYROMAGNETIC_RATIO = {
    "1H": 42.5775,
    "2H": 6.5359,
    "3He": 32.4353,
    "7Li": 16.5472,
    "13C": 10.7061,
    "15N": 4.3160,
    "17O": 5.7720,
    "19F": 40.0629,
    "23Na": 11.2626,
    "31P": 17.2357,
    "129Xe": 11.7770,
}

# One nucleus within 1 % (field strengths are given rounded) and no other within 4 %: 23Na and 129Xe are 4.6 % apart.
# 7Li lies 4.0 % from 31P and must be named.
_NEAR = 0.01
_CLEAR = 0.04

_NAMES = {name.upper(): name for name in GYROMAGNETIC_RATIO} | {"PROTON": "1H", "H": "1H"}
_MASS_FIRST = re.compile(r"(\d{1,3})[ _^-]*([A-Z]{1,2})")
_MASS_LAST = re.compile(r"([A-Z]{1,2})[ _^-]*(\d{1,3})")


@dataclass(frozen=True, slots=True)
class Resonance:
    """`nucleus` as mass number and symbol ("129Xe"), empty where unknown; `frequency_mhz` None where unknown."""

    nucleus: str
    frequency_mhz: float | None


def resonance(header: ScanHeader) -> Resonance:
    """The nucleus and the frequency that `header` names, or lets conclude without doubt."""
    own = _own_frequency_hz(header)
    system = _positive(header.system.h1_frequency_hz)
    named = _canonical(header.user.string.get("Nucleus", ""))
    field = header.system.field_strength_t
    nucleus = named or _nucleus_at(own or system, field)
    frequency = own
    if frequency is None and nucleus in ("", "1H", _nucleus_at(system, field)):
        frequency = system
    return Resonance(nucleus, None if frequency is None else frequency / 1e6)


def _own_frequency_hz(header: ScanHeader) -> float | None:
    name = "NucleusFrequency_Hz"
    return _positive(header.user.long.get(name) or header.user.double.get(name))


def _positive(frequency_hz: float | None) -> float | None:
    # A terahertz: no magnet is that strong, and the number would not fit a decimal string of MHz.
    return float(frequency_hz) if frequency_hz is not None and 0 < frequency_hz < 1e12 else None


def _nucleus_at(frequency_hz: float | None, field_t: float | None) -> str:
    if frequency_hz is None or field_t is None or not 0 < field_t < 1e3:
        return ""
    ratio = frequency_hz / 1e6 / field_t
    by_distance = sorted((abs(ratio / gamma - 1), name) for name, gamma in GYROMAGNETIC_RATIO.items())
    (nearest, name), (second, _) = by_distance[:2]
    return name if nearest <= _NEAR and second > _CLEAR else ""


def with_nucleus(header: ScanHeader, nucleus: str) -> ScanHeader:
    """`header` as if its sender had named this nucleus."""
    user = replace(header.user, string={**header.user.string, "Nucleus": nucleus})
    return replace(header, user=user)


def _canonical(given: str) -> str:
    """ "129Xe" for "129XE", "Xe129", "xe-129"; a well-formed nucleus outside the table as mass and symbol."""
    capitals = given.strip().upper()
    if capitals in _NAMES:
        return _NAMES[capitals]
    if match := _MASS_FIRST.fullmatch(capitals):
        mass, symbol = match.groups()
    elif match := _MASS_LAST.fullmatch(capitals):
        symbol, mass = match.groups()
    else:
        return ""
    name = f"{int(mass)}{symbol.capitalize()}"
    return _NAMES.get(name.upper(), name)
