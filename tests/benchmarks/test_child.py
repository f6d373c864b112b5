"""Measurements in processes of their own belong to those processes."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.child import ChildError, output_of, peak_memory, seconds_of


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak of the starting process is kept on Linux")
def test_the_peak_is_not_that_of_the_process_that_started_it() -> None:
    large = np.ones(200 << 20, np.uint8)
    assert peak_memory() > large.nbytes
    told = int(output_of(["-c", "from benchmarks.child import peak_memory; print(peak_memory())"]))
    assert 1 << 20 < told < large.nbytes // 2


def test_a_system_that_does_not_tell_gives_0(tmp_path: Path) -> None:
    (tmp_path / "status").write_text("Name:\tpython\n")
    assert peak_memory(tmp_path / "status") == 0
    (tmp_path / "status").write_text("Name:\tpython\nVmHWM:\t     100 kB\n")
    assert peak_memory(tmp_path / "status") == 102400


def test_a_process_that_fails_is_told_with_its_last_line() -> None:
    with pytest.raises(ChildError, match="ended with status 1: ValueError: no"):
        seconds_of("raise ValueError('no')", threads=1)
