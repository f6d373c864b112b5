"""NVIDIA's compute-sanitizer finds nothing in training steps on a GPU: no access beside an array, no read of what was
never written, no race for shared memory, no misplaced barrier."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

STEPS = """
import sys
from tests.engine.test_cuda_executor import CudaBound
from tests.support.whole_networks import cases

for name in ("every layer", "sequences"):
    bound = CudaBound(cases("adam, clipped")[name](), real=True, observe=True)
    assert bound.chunk().done
"""


@pytest.mark.gpu
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("tool", ["memcheck", "racecheck", "synccheck"])
def test_the_sanitizer_finds_nothing(tool: str) -> None:
    found = shutil.which("compute-sanitizer")
    if found is None:
        pytest.skip("compute-sanitizer, of the CUDA toolkit, is not installed")
    command = [found, "--tool", tool, "--error-exitcode", "9", sys.executable, "-c", STEPS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=570)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
