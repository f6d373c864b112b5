"""What every test stands on: no screen, one BLAS thread, a home folder of its own, and nothing left behind."""

import os
import tempfile

# NumPy's BLAS and Qt read these when they are first imported, which happens after this file.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ["DESCENT_COMPILE"] = "off"  # a run would start a process for it
# Compiled kernels are kept from one session to the next, as for any user.
os.environ.setdefault(
    "DESCENT_CACHE", os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "descent-lab")
)
_BASE = tempfile.TemporaryDirectory(prefix="descent-tests-")
for _name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"):
    os.environ[_name] = os.path.join(_BASE.name, _name.lower())
    os.makedirs(os.environ[_name], mode=0o700)

import functools
import importlib.util
import itertools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from _pytest.mark.expression import Expression

from tests.support.hygiene import Hygiene

# The same examples every time, however slow the machine.
hypothesis.settings.register_profile("tests", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("tests")

ROOT = Path(__file__).parents[1]

_numbers = itertools.count()


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's data folder of this test. It does not exist until somebody writes to it."""
    folder = Path(_BASE.name) / f"home-{os.getpid()}-{next(_numbers)}"
    monkeypatch.setenv("DESCENT_HOME", str(folder))
    return folder


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves a thread, an active QTimer or a top-level widget behind, or that logs a warning.

    A test that asks for `caplog` looks after its log records itself.
    """
    hygiene = Hygiene(watch_log="caplog" not in request.fixturenames)
    hygiene.start()
    yield
    problems = hygiene.finish()
    if problems:
        pytest.fail("\n".join(problems), pytrace=False)


# -- tests that need something that is not everywhere ------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require",
        action="append",
        default=[],
        metavar="MARKER",
        help="fail unless at least one test with this marker ran and none was skipped for want of its library",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    required = config.getoption("--require")
    for marker, present in (("parity", _has_torch), ("gpu", _has_gpu)):
        marked = [item for item in items if item.get_closest_marker(marker)]
        if marked and marker not in required and not present():
            for item in marked:
                item.add_marker(pytest.mark.skip(reason=f"what `{marker}` tests need is not on this machine"))


def _has_torch() -> bool:
    return importlib.util.find_spec("torch") is not None


def _has_gpu() -> bool:
    return not _why_no_gpu()


@functools.cache
def _why_no_gpu() -> str:
    """Why no test can run on a GPU, in words; empty where one can."""
    from engine import devices

    trouble = devices.missing()
    return trouble.text if trouble else ""


def _asked_for(config: pytest.Config) -> list[str]:
    """The markers of which at least one test must run: those required by name, and `gpu` where `-m` asks for tests on a
    GPU alone."""
    required = list(config.getoption("--require"))
    if config.option.markexpr:
        chosen = Expression.compile(config.option.markexpr)
        alone = chosen.evaluate(lambda name, **_: name == "gpu") and not chosen.evaluate(lambda name, **_: False)
        if alone and "gpu" not in required:
            required.append("gpu")
    return required


class _Required:
    """Counts the tests that ran, by required marker."""

    def __init__(self, markers: list[str]) -> None:
        self.ran = dict.fromkeys(markers, 0)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed:
            for marker in self.ran:
                self.ran[marker] += marker in report.keywords

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if any(count == 0 for count in self.ran.values()) and session.exitstatus in (0, 5):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for marker, count in self.ran.items():
            line = f"{count} tests marked `{marker}` passed" + ("" if count else ", and some have to")
            why = "" if count or marker != "gpu" else _why_no_gpu()
            terminalreporter.write_line(f"{line}. {why}" if why else line)


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        return
    if markers := _asked_for(config):
        config.pluginmanager.register(_Required(markers), "required-markers")
    if not config.option.collectonly:
        _compile_kernels()


def _compile_kernels() -> None:
    """Before any worker starts, where they are not compiled yet: each would do it for itself."""
    from engine.executors import compiled, unavailable

    if not unavailable() and not compiled():
        subprocess.run([sys.executable, "-m", "engine.kernels.cpu"], check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
