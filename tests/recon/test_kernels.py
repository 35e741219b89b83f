"""Compiled kernels: when they are compiled, and what happens where nothing can be kept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

UNCOMPILED = """
from gateway.recon import kernels, registry
registry.methods()
print([kernel.compiled for kernel in kernels.declared()])
"""
COMPUTED = """
import resource, numpy as np
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
from gateway.recon.solvers.vectors import squared_norm
print(squared_norm(np.full(3, 2j, np.complex64)))
"""


def output(program: str, **environment: str) -> str:
    finished = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **environment}, capture_output=True, text=True, check=True
    )
    return finished.stdout.strip()


def test_nothing_is_compiled_at_import() -> None:
    flags = output(UNCOMPILED)
    assert "True" not in flags
    assert "False" in flags


def test_a_process_that_may_write_nothing_computes_all_the_same(tmp_path: Path) -> None:
    assert output(COMPUTED, NUMBA_CACHE_DIR=str(tmp_path)) == "12.0"
    assert not [path for path in tmp_path.rglob("*.nbi") if path.stat().st_size]
