"""How the signal was made: the pulse sequence in DICOM's terms (PS3.3 C.8.3.1, MR Image Module).

MRD names the sequence in free text. What the text does not say is not guessed: an unknown sequence is RM (research
mode), which is a legal and honest answer to a type 1 attribute.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateway.model.mrd import Encoding, Image, ScanHeader, SequenceParameters

# First match wins. The Siemens converter writes Flash, SSFP, EPI, TurboSpinEcho, ChemicalShiftImaging, FID; others
# write their own. Scanning Sequence and Sequence Variant as in PS3.3 table C.8-4.
_SEQUENCES = (
    (re.compile(r"turbo.?spin|fast.?spin|\b(tse|fse|rare|haste|space)\b"), ("SE",), ("SK",)),
    (re.compile(r"\b(se.?epi)\b|spin.?echo.*(epi|echo.?planar)"), ("SE", "EP"), ("NONE",)),
    (re.compile(r"\bepi\b|echo.?planar"), ("EP",), ("NONE",)),
    (re.compile(r"ssfp|true?.?fisp|trufi|fiesta|balanced"), ("GR",), ("SS",)),
    (re.compile(r"flash|spgr|spoiled|t1.?ffe|mprage"), ("GR",), ("SP",)),
    (re.compile(r"\b(gre|ffe)\b|gradient.?(recalled.?)?echo"), ("GR",), ("NONE",)),
    (re.compile(r"spin.?echo|\bse\b"), ("SE",), ("NONE",)),
)
_UNKNOWN = (("RM",), ("NONE",))


@dataclass(frozen=True, slots=True)
class PulseSequence:
    """Times in ms, angle in degrees, None where unknown. `echo_number` counts from 1, None for a single echo."""

    scanning_sequence: tuple[str, ...]
    variant: tuple[str, ...]
    acquisition_type: str
    repetition_time: float | None
    echo_time: float | None
    echo_number: int | None
    inversion_time: float | None
    flip_angle: float | None
    echo_train_length: int | None


def pulse_sequence(header: ScanHeader, encoding: Encoding, image: Image) -> PulseSequence:
    """The sequence that `image` was measured with; values that differ by contrast are those of its contrast."""
    parameters = header.sequence
    scanning, variant = _terms(parameters.sequence_type)
    repetition_time = _of_contrast(parameters.repetition_times, image.contrast)
    inversion_time = _inversion_time(parameters, image.contrast, repetition_time)
    if inversion_time is not None:
        scanning = ("IR",) if scanning == _UNKNOWN[0] else (*scanning, "IR")
    volume = max(encoding.encoded.matrix[2], image.data.shape[1]) > 1
    return PulseSequence(
        scanning_sequence=scanning,
        variant=variant,
        acquisition_type="3D" if volume else "2D",
        repetition_time=repetition_time,
        echo_time=_of_contrast(parameters.echo_times, image.contrast),
        echo_number=image.contrast + 1 if len(parameters.echo_times) > 1 else None,
        inversion_time=inversion_time,
        flip_angle=_of_contrast(parameters.flip_angles, image.contrast),
        echo_train_length=encoding.echo_train_length,
    )


def _terms(sequence_type: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    name = sequence_type.lower()
    found = ((scanning, variant) for pattern, scanning, variant in _SEQUENCES if pattern.search(name))
    return next(found, _UNKNOWN)


def _of_contrast(values: tuple[float, ...], contrast: int) -> float | None:
    """The contrast's own value; the only one where there is one; None where it cannot be told."""
    if contrast < len(values):
        return values[contrast]
    return values[0] if len(values) == 1 else None


def _inversion_time(parameters: SequenceParameters, contrast: int, repetition_time: float | None) -> float | None:
    """The header's inversion time, unless it is as long as the repetition.

    Converters copy the protocol's inversion time even where no inversion is played; in a fast sequence it shows.
    """
    time = _of_contrast(parameters.inversion_times, contrast)
    if time is None or time <= 0 or (repetition_time is not None and time >= repetition_time):
        return None
    return time
