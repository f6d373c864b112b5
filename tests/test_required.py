"""Tests that need something that is not everywhere: skipped as a rule, and required where they are asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TESTS = """
import pytest

@pytest.mark.gpu
def test_on_a_gpu() -> None: ...

def test_anywhere() -> None: ...
"""


def session(folder: Path, *arguments: str, gpu: bool) -> tuple[int, str]:
    """Exit status and output of pytest on two tests, on a machine with a GPU or without one."""
    (folder / "test_two.py").write_text(TESTS)
    # A conftest of its own: the project's, told what the machine has.
    (folder / "conftest.py").write_text(
        f"from tests import conftest\nfrom tests.conftest import *\n"
        f"conftest._why_no_gpu = lambda: {'' if gpu else 'There is no GPU. Buy one.'!r}\n"
        "from tests.conftest import pytest_addoption, pytest_collection_modifyitems\n"
        "def pytest_configure(config):\n"
        "    config.addinivalue_line('markers', 'gpu: needs a GPU')\n"
        "    conftest.pytest_configure(config)\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", "."]
    done = subprocess.run(
        [*command, *arguments, "test_two.py"],
        cwd=folder, capture_output=True, text=True, timeout=60, env=_environment(),
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def _environment() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": str(ROOT)}


def test_where_there_is_no_gpu_its_tests_are_skipped(tmp_path: Path) -> None:
    status, said = session(tmp_path, gpu=False)
    assert status == 0 and "1 passed, 1 skipped" in said


@pytest.mark.parametrize("arguments", [("-m", "gpu"), ("-m", "gpu", "-n", "1")])
def test_asked_for_alone_they_have_to_run(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    status, said = session(tmp_path, *arguments, gpu=False)
    assert status == 1
    assert "0 tests marked `gpu` passed, and some have to. There is no GPU. Buy one." in said


def test_where_there_is_one_they_run(tmp_path: Path) -> None:
    status, said = session(tmp_path, "-m", "gpu", gpu=True)
    assert status == 0 and "1 tests marked `gpu` passed\n" in said


@pytest.mark.parametrize("expression", ["not gpu", "not parity", "gpu or not gpu"])
def test_other_choices_require_nothing(tmp_path: Path, expression: str) -> None:
    status, said = session(tmp_path, "-m", expression, gpu=False)
    assert status == 0 and "have to" not in said


def test_a_choice_that_leaves_none_fails(tmp_path: Path) -> None:
    status, said = session(tmp_path, "-m", "gpu", "-k", "nothing", gpu=True)
    assert status == 1 and "0 tests marked `gpu` passed, and some have to" in said
