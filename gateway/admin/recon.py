"""`gateway recon run SCAN`: reconstructing a stored scan again."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.admin.context import Context
from gateway.ingest.reconstruction import ReconRequest


@dataclass(frozen=True, slots=True)
class ReconResult:
    """How it ended; `error` is empty when all images were made."""

    method: str
    images: int
    series_instance_uids: tuple[str, ...]
    missing: str
    error: str


def run(context: Context, scan_id: int, method: str, parameters: dict[str, str]) -> ReconResult:
    """Reconstruct a stored scan; its images are stored, indexed and routed like received ones.

    Raises `NotFoundError` for the scan. A failure is in the result, and in the index.
    """
    request = ReconRequest(scan_id, method, parameters)
    outcome = context.reconstructor.stored(request, lambda: context.live is not None and context.live.ending)
    context.wake()
    return ReconResult(
        method=outcome.method,
        images=outcome.images,
        series_instance_uids=outcome.series_instance_uids,
        missing=outcome.missing,
        error="" if outcome.error is None else str(outcome.error),
    )
