"""Which GPUs are found, and what is said and advised where none can be used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine import devices
from engine.devices import Devices, detected, inspect, missing
from tests.support.cards import Card, CUDARuntimeError, cupy_with, install


def trouble(monkeypatch: pytest.MonkeyPatch, module: Any, **more: Any) -> devices.Trouble:
    install(monkeypatch, module, **more)
    found = missing()
    assert found is not None
    return found


def test_devices_are_described(monkeypatch: pytest.MonkeyPatch) -> None:
    cards = [Card("RTX 4090", 24 << 30, 20 << 30), Card("GTX 1080", capability=(6, 1)), Card("T4", capability=(7, 5))]
    install(monkeypatch, cupy_with(cards))
    found = inspect()
    assert (found.trouble, found.driver, found.runtime, found.cupy) == (None, 13000, 13020, "14.2.0")
    assert [(gpu.id, gpu.name, gpu.capability) for gpu in found.gpus] == [
        ("cuda:0", "RTX 4090", (8, 9)), ("cuda:1", "GTX 1080", (6, 1)), ("cuda:2", "T4", (7, 5)),
    ]  # fmt: skip
    assert (found.gpus[0].free, found.gpus[0].total) == (20 << 30, 24 << 30)
    assert [gpu.id for gpu in found.usable] == ["cuda:0", "cuda:2"]
    old = found.gpus[1].trouble
    assert old is not None and "compute capability 6.1" in old.reason and "7.5" in old.reason
    assert msgspec.json.decode(msgspec.json.encode(found), type=Devices) == found


def test_when_no_device_is_fit_the_first_one_s_reason_is_that_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, cupy_with([Card("GTX 1080", capability=(6, 1))]))
    found = inspect()
    assert found.usable == () and found.trouble is not None and "GTX 1080" in found.trouble.reason


def test_a_device_that_is_full_or_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    busy = CUDARuntimeError(46, "cudaErrorDevicesUnavailable: CUDA-capable device(s) is/are busy or unavailable")
    install(monkeypatch, cupy_with([Card("A", free=100 << 20), Card("B", fault=busy), Card("C")]))
    found = inspect()
    full, taken, free = (gpu.trouble for gpu in found.gpus)
    assert full is not None and "100.0 MiB of 24.0 GiB" in full.reason and "nvidia-smi" in full.remedy
    assert taken is not None and "busy or unavailable" in taken.reason
    assert free is None and found.trouble is None


def test_without_a_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    found = trouble(monkeypatch, cupy_with(), driver=None)
    assert "no NVIDIA driver" in found.reason and "install its driver" in found.remedy


@pytest.mark.parametrize(("driver", "package"), [(13000, "cupy-cuda13x[ctk]"), (12040, "cupy-cuda12x[ctk]")])
def test_without_cupy_the_package_for_the_driver_is_named(
    monkeypatch: pytest.MonkeyPatch, driver: int, package: str
) -> None:
    found = trouble(monkeypatch, None, driver=driver)
    assert "not installed" in found.reason and f'-m pip install "{package}>=14"' in found.remedy


@pytest.mark.parametrize(
    ("module", "driver", "reason", "remedy"),
    [
        (cupy_with(), 11040, "supports CUDA 11.4", "newer driver"),
        (cupy_with(), 12040, "made for CUDA 13, but the NVIDIA driver supports CUDA 12.4", '"cupy-cuda12x[ctk]>=14"'),
        (cupy_with(version="13.6.0"), 13000, "CuPy 13.6.0 is too old", "--upgrade"),
        (cupy_with(hip=True), 13000, "AMD", "cupy-cuda13x"),
        (cupy_with([]), 13000, "finds no GPU", "nvidia-smi"),
        (cupy_with(fault=CUDARuntimeError(100, "cudaErrorNoDevice: no")), 13000, "finds no GPU", "nvidia-smi"),
        (cupy_with(fault=CUDARuntimeError(803, "cudaErrorSystemDriverMismatch: x")), 13000, "Mismatch", "start the"),
    ],
)
def test_what_stands_in_the_way(
    monkeypatch: pytest.MonkeyPatch, module: Any, driver: int, reason: str, remedy: str
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    found = trouble(monkeypatch, module, driver=driver)
    assert reason in found.reason and remedy in found.remedy


def test_devices_that_are_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    assert "CUDA_VISIBLE_DEVICES is “7”" in trouble(monkeypatch, cupy_with([])).reason


@pytest.mark.parametrize(("name", "words"), [("nvrtc", "NVRTC"), ("cublas", "cuBLAS")])
def test_libraries_that_are_not_there(monkeypatch: pytest.MonkeyPatch, name: str, words: str) -> None:
    install(monkeypatch, cupy_with())
    assert missing() is None

    def load(asked: str) -> None:
        if asked == name:
            raise RuntimeError(f"Failure finding {asked}")

    monkeypatch.setattr(sys.modules["cuda.pathfinder"], "load_nvidia_dynamic_lib", load)
    found = missing()
    assert found is not None and found.reason.startswith(words) and "cupy-cuda13x[ctk]" in found.remedy


def test_a_broken_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    framed = "\n=====\nFailed to import CuPy.\n\nOriginal error:\n  ImportError: libcudart is damaged\n=====\n"

    def broken() -> None:
        raise ImportError(framed)

    install(monkeypatch, cupy_with())
    monkeypatch.setattr(devices, "import_cupy", broken)
    found = missing()
    assert found is not None and found.reason.endswith("cannot be loaded: ImportError: libcudart is damaged.")
    assert found.remedy.endswith("--force-reinstall")


def test_the_command_names_this_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices.sys, "executable", "/home/a b/python")
    assert devices.install_command().startswith('"/home/a b/python" -m pip install ')


# -- a process of its own ----------------------------------------------------------------------------------------------


def answer(monkeypatch: pytest.MonkeyPatch, program: str, limit: float = 60.0) -> Devices:
    """What is found when the process that looks is this program."""
    install(monkeypatch, cupy_with())
    run = subprocess.run

    def changed(command: list[str], **options: Any) -> Any:
        assert command == [sys.executable, "-m", "engine.devices"]
        return run([sys.executable, "-c", program], **options)

    monkeypatch.setattr(devices.subprocess, "run", changed)
    return detected(anew=True, limit=limit)


def test_a_process_of_its_own_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    text = msgspec.json.encode(Devices(cupy="14.2.0")).decode()
    found = answer(monkeypatch, f"print('a warning'); print({text!r})")
    assert found == Devices(cupy="14.2.0") and devices.known() is found
    monkeypatch.setattr(devices.subprocess, "run", None)
    assert detected() is found


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("import time; time.sleep(60)", "did not say within 0 seconds"),
        ("raise SystemExit('the loader is confused')", "failed: the loader is confused"),
        ("print('no JSON')", "failed"),
        ("import os; os._exit(3)", "failed: status 3"),
    ],
)
def test_a_process_that_fails(monkeypatch: pytest.MonkeyPatch, program: str, words: str) -> None:
    found = answer(monkeypatch, program, 0.3 if "sleep" in program else 60.0)
    assert found.trouble is not None and words in found.trouble.reason and "nvidia-smi" in found.trouble.remedy


def test_the_real_process_answers(tmp_path: Path) -> None:
    root = Path(devices.__file__).parents[1]
    done = subprocess.run([sys.executable, "-m", "engine.devices"], cwd=root, capture_output=True, check=True)
    found = msgspec.json.decode(done.stdout, type=Devices)
    assert bool(found.usable) == (found.trouble is None)


def test_without_a_driver_no_process_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, None, driver=None)
    monkeypatch.setattr(devices.subprocess, "run", None)
    found = detected(anew=True)
    assert found.trouble is not None and found.usable == ()
