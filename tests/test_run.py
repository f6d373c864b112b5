"""The starter: what it finds current, what it sets up, and in which words it says what stands in the way."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """run.py, at home in a folder with its locks and without an environment."""
    spec = importlib.util.spec_from_file_location("run", ROOT / "run.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    venv = tmp_path / ".venv"
    python = venv / "bin" / "python"
    for name, value in {"ROOT": tmp_path, "VENV": venv, "PYTHON": python, "STAMP": venv / "descent-lab.json"}.items():
        monkeypatch.setattr(module, name, str(value))
    (tmp_path / "requirements.lock").write_text("a==1")
    (tmp_path / "requirements-dev.lock").write_text("a==1\nb==2")
    (tmp_path / "requirements-gpu.lock").write_text("a==1\nc==3")
    monkeypatch.setattr(module, "missing_libraries", lambda group: [])
    monkeypatch.setattr(module, "find_uv", lambda: None)
    return module


@pytest.fixture
def calls(run: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The programs that are called; making an environment makes a Python that works."""
    made: list[list[str]] = []

    def call(command: list[str], **options: Any) -> int:
        made.append(command)
        if "venv" in command:
            Path(run.PYTHON).parent.mkdir(parents=True)
            Path(run.PYTHON).symlink_to(sys.executable)
            (Path(run.VENV) / "pyvenv.cfg").touch()
        return 0

    monkeypatch.setattr(subprocess, "call", call)
    return made


@pytest.fixture
def started(run: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that the starter becomes."""
    commands: list[list[str]] = []
    monkeypatch.setattr(run, "start", lambda command, environment: commands.append(command) or 0)
    monkeypatch.setattr(run.os, "chdir", lambda path: None)
    return commands


def short(run: ModuleType, commands: list[list[str]]) -> list[str]:
    """The commands without the paths of this machine."""
    names = {run.PYTHON: "PYTHON", sys.executable: "python3", run.VENV: ".venv", run.ROOT: "."}
    texts = [" ".join(names.get(word, word.replace(run.ROOT + "/", "")) for word in command) for command in commands]
    return [text for text in texts if " -c " not in text]


PIP = (
    "PYTHON -m pip install --quiet --no-input --disable-pip-version-check --no-warn-script-location "
    "--require-hashes -r "
)


# -- starting ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        ([], "PYTHON -P -m lab"),
        (["--", "train", "x.dlab"], "PYTHON -P -m lab train x.dlab"),
        (["test", "-k", "x"], "PYTHON -m pytest -k x"),
    ],
)
def test_it_becomes_what_is_asked_for(
    run: ModuleType, calls: list[Any], started: list[list[str]], arguments: list[str], command: str
) -> None:
    assert run.main(arguments) == 0
    assert short(run, started) == [command]


@pytest.mark.parametrize(
    ("script", "arguments", "command"),
    [
        ("run.py", [], "python3 run.py --"),
        ("/opt/my lab/run.py", ["--", "presets"], "python3 '/opt/my lab/run.py' --"),
        ("run.py", ["test"], None),
    ],
)
def test_the_program_is_told_how_it_was_called(
    run: ModuleType, calls: list[Any], monkeypatch: pytest.MonkeyPatch, script: str, arguments: list[str],
    command: str | None,
) -> None:  # fmt: skip
    told: list[str | None] = []
    monkeypatch.delenv("DESCENT_COMMAND", raising=False)
    monkeypatch.setattr(run, "start", lambda command, env: told.append(env.get("DESCENT_COMMAND")) or 0)
    monkeypatch.setattr(run.os, "chdir", lambda path: None)
    monkeypatch.setattr(sys, "argv", [script, *arguments])
    assert run.main(arguments) == 0
    assert told == [command]


def test_the_second_start_calls_nothing(run: ModuleType, calls: list[Any], started: list[Any]) -> None:
    run.main([])
    assert short(run, calls) == ["python3 -m venv .venv", PIP + "requirements.lock"]
    calls.clear()
    run.main([])
    run.main(["--", "presets"])
    assert calls == []


def test_the_tests_need_more_and_include_the_program(run: ModuleType, calls: list[Any], started: list[Any]) -> None:
    run.main([])
    calls.clear()
    run.main(["test"])
    assert short(run, calls) == [PIP + "requirements-dev.lock"]
    calls.clear()
    run.main([])
    assert calls == []


def test_a_changed_lock_is_installed_anew(run: ModuleType, calls: list[Any], started: list[Any]) -> None:
    run.main([])
    calls.clear()
    Path(run.ROOT, "requirements.lock").write_text("a==2")
    run.main([])
    assert short(run, calls) == [PIP + "requirements.lock"]


def test_an_environment_of_another_python_is_made_anew(
    run: ModuleType, calls: list[Any], started: list[Any], tmp_path: Path
) -> None:
    run.main([])
    calls.clear()
    stamp = json.loads(Path(run.STAMP).read_text())
    Path(run.STAMP).write_text(json.dumps(stamp | {"python": "/usr/bin/python3.99"}))
    run.main([])
    assert short(run, calls) == ["python3 -m venv .venv", PIP + "requirements.lock"]


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"packages": {}}'])
def test_a_damaged_stamp_leads_to_a_new_set_up(
    run: ModuleType, calls: list[Any], started: list[Any], damage: str
) -> None:
    run.main([])
    calls.clear()
    Path(run.STAMP).write_text(damage)
    assert run.main([]) == 0
    assert short(run, calls) == [PIP + "requirements.lock"]


def test_uv_is_used_where_it_is(
    run: ModuleType, calls: list[Any], started: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "find_uv", lambda: "/bin/uv")
    run.main([])
    assert short(run, calls) == [
        "/bin/uv venv --quiet --seed --python python3 .venv",
        "/bin/uv pip install --quiet --python PYTHON --require-hashes -r requirements.lock",
    ]


# -- tests on a GPU ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        (["-m", "gpu"], True),
        (["-q", "-mgpu", "tests"], True),
        (["-m", "gpu and not slow"], True),
        (["--require", "gpu"], True),
        (["--require=gpu"], True),
        (["-m", "not gpu"], False),
        (["-m", "not parity"], False),
        (["-k", "gpu"], False),
        (["tests/test_gpu.py", "--maxfail=1"], False),
        ([], False),
    ],
)
def test_it_sees_when_tests_on_a_gpu_are_asked_for(run: ModuleType, arguments: list[str], asked: bool) -> None:
    assert run.asks_for_gpu(arguments) is asked


def test_tests_on_a_gpu_bring_its_packages_once(
    run: ModuleType, calls: list[Any], started: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "driver_cuda", lambda: (13, 0))
    assert run.main(["test", "-m", "gpu"]) == 0
    assert short(run, calls)[1:] == [PIP + "requirements-dev.lock", PIP + "requirements-gpu.lock"]
    assert short(run, started) == ["PYTHON -m pytest -m gpu"]
    calls.clear()
    run.main(["test", "-m", "gpu"])
    run.main(["test"])
    run.main([])
    assert short(run, calls) == []


@pytest.mark.parametrize(
    ("version", "words"),
    [
        (None, "No NVIDIA driver was found (does nvidia-smi work?)"),
        ((12, 8), "is for CUDA 12.8; requirements-gpu.lock needs one for CUDA 13. Update it, or run "),
    ],
)
def test_without_a_driver_that_fits_it_says_so_and_runs_the_tests(
    run: ModuleType, calls: list[Any], started: list[Any], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], version: tuple[int, int] | None, words: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(run, "driver_cuda", lambda: version)
    assert run.main(["test", "-m", "gpu"]) == 0
    assert short(run, calls)[1:] == [PIP + "requirements-dev.lock"] and started
    assert words in capsys.readouterr().err


def test_the_driver_is_asked_for_its_version(run: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    import ctypes

    class Driver:
        def __init__(self, name: str) -> None:
            assert name == "libcuda.so.1" or run.os.name == "nt"

        def cuDriverGetVersion(self, number: Any) -> int:
            number._obj.value = 13010
            return 0

    monkeypatch.setattr(ctypes, "CDLL", Driver)
    assert run.driver_cuda() == (13, 1)

    def none(name: str) -> None:
        raise OSError(f"{name}: no such file")

    monkeypatch.setattr(ctypes, "CDLL", none)
    assert run.driver_cuda() is None


# -- what stands in the way --------------------------------------------------------------------------------------------


def refusal(run: ModuleType, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    status = run.main(list(arguments))
    assert status in (1, 2)
    err = capsys.readouterr().err
    return err[err.index("run.py: ") + 8 :]


def test_a_word_that_it_does_not_know(run: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert refusal(run, capsys, "tset") == "I do not know “tset”; see: python3 run.py --help\n"


def test_a_python_that_is_too_old(
    run: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run.sys, "version_info", (3, 9, 2))
    assert "needs Python 3.11 or newer; this is Python 3.9 (" in refusal(run, capsys)


def test_an_old_python_can_read_the_file_far_enough_to_say_so() -> None:
    ast.parse((ROOT / "run.py").read_text(encoding="utf-8"), feature_version=(3, 7))


def test_a_failed_installation_is_tried_again(
    run: ModuleType, calls: list[Any], started: list[Any], capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    working = subprocess.call
    monkeypatch.setattr(subprocess, "call", lambda command, **o: 1 if "pip" in command else working(command, **o))
    assert (
        refusal(run, capsys)
        == "the packages could not be installed (see above). Is there a network? Start again to go on.\n"
    )
    assert started == []
    monkeypatch.setattr(subprocess, "call", working)
    calls.clear()
    assert run.main([]) == 0
    assert short(run, calls) == [PIP + "requirements.lock"]


def test_a_folder_of_somebody_else_is_not_touched(
    run: ModuleType, calls: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    Path(run.VENV).mkdir()
    Path(run.VENV, "precious").touch()
    assert "is not a Python environment. Move it away" in refusal(run, capsys)
    assert Path(run.VENV, "precious").exists()


@pytest.fixture
def bare(run: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[bool], None]:
    """A bare Debian: no libGL, no ensurepip, until apt-get is called; `bare(root)` says who is at work."""
    lacking = {"Qt": ["libgl1"], "a window": ["libxcb-cursor0"]}
    monkeypatch.setattr(run, "missing_libraries", lambda group: lacking.get(group, []))
    monkeypatch.setattr(run, "has_venv", lambda: False)
    monkeypatch.setattr(run, "is_system_python", lambda: True)
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}" if name == "apt-get" else None)
    real_exists = run.os.path.exists
    monkeypatch.setattr(run.os.path, "exists", lambda path: path == "/etc/debian_version" or real_exists(path))
    working = subprocess.call

    def call(command: list[str], **options: Any) -> int:
        if command[:2] == ["/usr/bin/apt-get", "install"]:
            lacking.clear()
        return working(command, **options)

    monkeypatch.setattr(subprocess, "call", call)
    return lambda root: monkeypatch.setattr(run.os, "geteuid", lambda: 0 if root else 1000)


PACKAGES = f"libgl1 libxcb-cursor0 python3.{sys.version_info[1]}-venv"


def test_missing_packages_are_named_with_the_line_that_installs_them(
    run: ModuleType, calls: list[Any], bare: Callable[[bool], None], capsys: pytest.CaptureFixture[str]
) -> None:
    bare(False)
    assert refusal(run, capsys) == (
        "some system packages are missing. Install them, then start again:\n"
        f"    sudo apt-get install -y --no-install-recommends {PACKAGES}\n"
    )
    assert short(run, calls) == []


def test_root_installs_them(
    run: ModuleType, calls: list[Any], bare: Callable[[bool], None], started: list[Any]
) -> None:
    bare(True)
    assert run.main([]) == 0
    assert short(run, calls)[:2] == [
        "/usr/bin/apt-get update -q",
        f"/usr/bin/apt-get install -y --no-install-recommends {PACKAGES} -q",
    ]


def test_the_tests_need_no_window_and_the_command_line_needs_no_libraries(
    run: ModuleType, calls: list[Any], bare: Callable[[bool], None], started: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    bare(True)
    monkeypatch.setattr(run, "has_venv", lambda: True)
    run.main(["--", "presets"])
    assert not any("apt-get" in text for text in short(run, calls))
    run.main(["test"])
    assert "/usr/bin/apt-get install -y --no-install-recommends libgl1 -q" in short(run, calls)


def test_another_system_is_told_the_names(
    run: ModuleType, calls: list[Any], bare: Callable[[bool], None], capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    bare(True)
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert "Install what your system calls them" in refusal(run, capsys)


# -- the locks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "extras"),
    [
        ("requirements.lock", ["data"]),
        ("requirements-dev.lock", ["data", "dev"]),
        ("requirements-gpu.lock", ["data", "gpu"]),
    ],
)
def test_a_lock_pins_everything_by_hash_and_names_no_registry(name: str, extras: list[str]) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "://" not in text
    entries = re.findall(r"^([a-z0-9-]+)==(\S+).*?(?=^[a-z]|\Z)", text, re.MULTILINE | re.DOTALL)
    blocks = re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)[1:]
    assert len(entries) == len(blocks) > 5
    for block in blocks:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", block), block
    pinned = {entry[0] for entry in entries}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = list(project["dependencies"])
    for extra in extras:
        wanted += project["optional-dependencies"][extra]
    names = {re.split(r"[<>=!;~ \[]", item)[0].lower() for item in wanted}
    assert names <= pinned, names - pinned


def test_all_locks_hold_the_program_s_versions() -> None:
    def versions(name: str) -> set[tuple[str, str]]:
        return set(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE))

    program, tools, gpu = (versions(f"requirements{name}.lock") for name in ("", "-dev", "-gpu"))
    assert program < tools and program < gpu
    # One after the other they make one environment.
    assert dict(tools | gpu) == dict(gpu | tools)
