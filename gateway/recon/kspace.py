"""Where the samples of a Cartesian readout go in the encoded matrix.

A line goes to `idx − limit.center + encoded//2` along each phase encoding. Sample j of a readout goes to
`j − center_sample + encoded//2`, with `center_sample` counted from the first sample as stored, discarded ones included:
so an asymmetric echo comes to lie right. A reverse readout is stored as sampled, and runs the other way about the same
centre: to `center_sample − j + encoded//2`.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.model.errors import MalformedData
from gateway.model.mrd import Acquisition, AcquisitionFlag, Encoding, Limit

_REVERSE = int(AcquisitionFlag.IS_REVERSE)


@dataclass(frozen=True, slots=True)
class LineAxis:
    """A phase encoding: counters `minimum..maximum` are measured, counter c is line c + `offset` of `encoded` lines."""

    name: str
    encoded: int
    minimum: int
    maximum: int
    offset: int

    @property
    def measured(self) -> slice:
        """The lines within the limits."""
        return slice(self.minimum + self.offset, self.maximum + self.offset + 1)

    def contains(self, counter: int) -> bool:
        """True for a counter within the limits."""
        return self.minimum <= counter <= self.maximum

    def line(self, counter: int, number: int) -> int:
        """The line of readout `number`. Raises `MalformedData` for a counter outside the limits."""
        if not self.contains(counter):
            raise MalformedData(
                f"readout {number}: {self.name} {counter} is outside {self.minimum}..{self.maximum};"
                " correct the counter, or encodingLimits in the header"
            )
        return counter + self.offset


@dataclass(frozen=True, slots=True)
class Placement:
    """The places of lines and samples for one encoding section."""

    k0: int
    k1: LineAxis
    k2: LineAxis

    def line(self, acquisition: Acquisition, number: int) -> tuple[int, int]:
        """(k2, k1) of a readout."""
        idx = acquisition.idx
        return self.k2.line(idx.kspace_encode_step_2, number), self.k1.line(idx.kspace_encode_step_1, number)

    def samples(self, acquisition: Acquisition, number: int) -> tuple[slice, slice]:
        """(which samples of the readout, in the order of k0; where along k0 they go).

        Raises `MalformedData` where the readout does not fit into the encoded matrix.
        """
        n_samples = acquisition.data.shape[1]
        first, last = acquisition.discard_pre, n_samples - acquisition.discard_post - 1
        if first > last:
            raise MalformedData(
                f"readout {number}: all of its {n_samples} samples are to be discarded; correct discard_pre and"
                " discard_post"
            )
        centre = _centre(acquisition.center_sample, n_samples, self.k0)
        if acquisition.flags & _REVERSE:
            return self._reversed(first, last, centre, number)
        start = first - centre + self.k0 // 2
        self._check(start, start + last - first, number)
        return slice(first, last + 1), slice(start, start + last - first + 1)

    def _reversed(self, first: int, last: int, centre: int, number: int) -> tuple[slice, slice]:
        # About the centre of an even matrix the outermost sample falls on index `k0`, which is no place; its mirror
        # image at index 0 was never sampled. This one sample is given up.
        if centre - first + self.k0 // 2 == self.k0:
            first += 1
        start = centre - last + self.k0 // 2
        self._check(start, start + last - first, number)
        backwards = slice(last, first - 1 if first else None, -1)
        return backwards, slice(start, start + last - first + 1)

    def _check(self, start: int, end: int, number: int) -> None:
        if start < 0 or end >= self.k0 or end < start:
            raise MalformedData(
                f"readout {number}: its samples come to lie at {start}..{end} of an encoded matrix of {self.k0};"
                " correct center_sample, or encodedSpace matrixSize x"
            )


def placement_of(encoding: Encoding) -> Placement:
    """Raises `MalformedData` where the encoding limits do not fit into the encoded matrix."""
    x, y, z = encoding.encoded.matrix
    limits = encoding.limits
    return Placement(
        k0=x,
        k1=_line_axis("kspace_encode_step_1", y, limits.kspace_encoding_step_1),
        k2=_line_axis("kspace_encode_step_2", z, limits.kspace_encoding_step_2),
    )


def _line_axis(name: str, encoded: int, limit: Limit | None) -> LineAxis:
    if limit is None:
        return LineAxis(name, encoded, 0, encoded - 1, 0)
    offset = encoded // 2 - _centre(limit.center, limit.maximum + 1, encoded)
    if limit.minimum > limit.maximum or limit.minimum + offset < 0 or limit.maximum + offset >= encoded:
        raise MalformedData(
            f"MRD header: limits of {name} {limit.minimum}..{limit.maximum} with centre {limit.center}"
            f" do not fit into an encoded matrix of {encoded}; correct encodingLimits, or encodedSpace matrixSize"
        )
    return LineAxis(name, encoded, limit.minimum, limit.maximum, offset)


def _centre(stated: int, size: int, encoded: int) -> int:
    """The stated centre. A 0 where `size` samples fill the whole matrix cannot be meant: many senders never set it."""
    return encoded // 2 if stated == 0 and size == encoded else stated
