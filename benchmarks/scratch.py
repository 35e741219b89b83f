"""Folders for the cases, all of them removed when the run ends, and none before.

On ext4 creating a file costs more for minutes where many were deleted, because the kernel passes over inodes that were
freed a moment ago: the case after the one that tidied up would measure that.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path


def new_folder() -> Path:
    """An empty folder where temporary files go (TMPDIR says where)."""
    return Path(tempfile.mkdtemp(dir=_root()))


@cache
def _root() -> Path:
    root = Path(tempfile.mkdtemp(prefix="bench-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    return root
