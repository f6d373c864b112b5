"""Training from the command line: what it prints, changes, refuses, and how it stops and goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from msgspec.structs import replace

from engine.executor import ArrayExecutor
from engine.files import save
from engine.state import State
from engine.training.control import Control
from engine.training.events import Compiling, Event
from engine.training.loading import Loading
from engine.training.result import Result
from engine.training.store import RunStore
from lab.cli.train import STOP_SIGNALS, result_text
from tests.support.command import complaint, descent
from tests.support.examples import blobs, make
from tests.support.patience import WAIT

ROOT = Path(__file__).parents[3]
FINAL = [
    "run", "epochs", "steps", "train_loss", "val_loss", "val_accuracy", "seconds", "samples_per_second", "device",
]  # fmt: skip


def test_one_object_an_epoch_and_one_at_the_end(file: Path) -> None:
    called = descent("train", file, "--json")
    assert (called.status, called.err) == (0, "")
    *epochs, final = called.lines
    assert [(item["epoch"], item["step"]) for item in epochs] == [(1, 3), (2, 6), (3, 9)]
    assert list(final) == FINAL
    assert (final["epochs"], final["steps"]) == (3, 9)
    assert final["train_loss"] == epochs[-1]["train_loss"]
    assert final["val_loss"] == epochs[-1]["val_loss"]
    assert final["val_accuracy"] == epochs[-1]["val_accuracy"] == epochs[-1]["val_metrics"]["accuracy"]
    assert final["seconds"] > 0 and final["samples_per_second"] > 0


def test_the_run_is_kept_in_the_user_s_folder_or_in_another(file: Path, home: Path, tmp_path: Path) -> None:
    run = descent("train", file, "--json").lines[-1]["run"]
    assert [item.id for item in RunStore(home).list()] == [run]
    other = descent("train", file, "--json", "--out", tmp_path / "new" / "runs").lines[-1]["run"]
    assert [item.id for item in RunStore(tmp_path / "new" / "runs").list()] == [other]
    assert [item.id for item in RunStore(home).list()] == [run]


def test_for_people(file: Path) -> None:
    called = descent("train", file, "--epochs", 1)
    assert called.status == 0
    first, last = called.out.splitlines()
    assert first.startswith("epoch 1/1  train loss ") and "validation loss" in first and "accuracy" in first
    assert last.startswith("run ") and "3 steps in " in last


def test_weights_that_the_first_batch_scales_are_told_of(file: Path) -> None:
    called = descent("train", file, "--epochs", 1, "--set", "nodes.dense_1.weight_init=lsuv")
    assert called.status == 0
    assert "LSUV scaled the weights of one layer: outputs had a deviation of " in called.err


def test_what_the_check_warns_of_is_said_before_the_first_epoch(file: Path) -> None:
    groups = '[{"nodes": ["dense_1", "dense_7"], "rate": 0.5}]'
    called = descent("train", file, "--epochs", 1, "--set", f"training.groups={groups}")
    assert called.status == 0 and called.out.startswith("epoch 1/1")
    assert called.err.startswith("descent: warning: training.groups[0].nodes: ") and "“dense_7”" in called.err


def test_a_terminal_gets_a_bar_that_is_taken_away(file: Path) -> None:
    called = descent("train", file, tty=True)
    assert "epoch 1/3  [" in called.err
    assert called.err.endswith("\r\x1b[K")


def test_what_is_set_is_what_is_trained(file: Path, home: Path) -> None:
    called = descent(
        "train", file, "--set", "training.optimizer.learning_rate=0.5", "--set", "nodes.dense_1.units=4",
        "--set", "training.metrics=", "--seed", 11, "--epochs", 2, "--json",
    )  # fmt: skip
    assert called.status == 0, called.err
    experiment = RunStore(home).open(called.lines[-1]["run"]).experiment
    assert experiment.training.optimizer.learning_rate == 0.5
    assert experiment.network.node("dense_1").component.units == 4  # type: ignore[union-attr]
    assert (experiment.training.metrics, experiment.seed, experiment.training.epochs) == ((), 11, 2)


def test_the_seed_decides_the_numbers(file: Path) -> None:
    def losses(*options: object) -> list[float]:
        return [item["train_loss"] for item in descent("train", file, "--json", *options).lines]

    assert losses("--seed", 1) == losses("--seed", 1)
    assert losses("--seed", 1) != losses("--seed", 2)


def test_it_stops_after_the_steps_that_are_asked_for(file: Path) -> None:
    called = descent("train", file, "--steps", 4, "--json")
    assert called.status == 0
    assert (called.lines[-1]["steps"], called.lines[-1]["epochs"]) == (4, 1)


def test_a_run_goes_on_bit_for_bit(file: Path, home: Path, tmp_path: Path) -> None:
    whole = descent("train", file, "--json", "--out", tmp_path / "whole").lines
    begun = descent("train", file, "--json", "--steps", 4).lines
    resumed = descent("train", "--resume", begun[-1]["run"], "--json")
    assert resumed.status == 0, resumed.err
    assert resumed.lines[-1]["run"] == begun[-1]["run"]
    assert resumed.lines[-1]["steps"] == 9
    assert [item["train_loss"] for item in begun[:-1] + resumed.lines] == [item["train_loss"] for item in whole]
    arrays = [RunStore(folder).open(run["run"]).last_checkpoint()[0] for folder, run in
              ((home, begun[-1]), (tmp_path / "whole", whole[-1]))]  # type: ignore[index]  # fmt: skip
    assert arrays[0].keys() == arrays[1].keys()
    assert all(arrays[0][name].tobytes() == arrays[1][name].tobytes() for name in arrays[0])


def test_a_damaged_checkpoint_is_passed_over_in_words(file: Path, home: Path) -> None:
    (begun,) = descent("train", file, "--json", "--steps", 2).lines
    descent("train", "--resume", begun["run"], "--json", "--steps", 5)
    newest = max((home / "runs" / begun["run"]).glob("*.safetensors"))
    newest.write_bytes(newest.read_bytes()[:-1])
    resumed = descent("train", "--resume", begun["run"], "--json")
    assert resumed.status == 0 and resumed.lines[-1]["steps"] == 9
    (line,) = resumed.err.splitlines()
    assert newest.stem in line and line.endswith("The run goes on from step 3.")


def test_a_run_may_go_on_for_more_epochs(file: Path) -> None:
    descent("train", file, "--json")
    called = descent("train", "--resume", "last", "--epochs", 5, "--json")
    assert called.status == 0, called.err
    assert (called.lines[-1]["epochs"], called.lines[-1]["steps"]) == (5, 15)


def test_a_loss_that_is_not_finite_ends_the_run_with_status_1(tmp_path: Path) -> None:
    wild = make("optimizer", "sgd", learning_rate=1e6)
    save(replace(blobs(), training=replace(blobs().training, optimizer=wild, epochs=50)), tmp_path / "x.dlab")
    called = descent("train", tmp_path / "x.dlab", "--json")
    assert called.status == 1
    assert called.err.startswith("descent: ") and len(called.err.splitlines()) == 1
    json.loads(called.out.splitlines()[-1], parse_constant=pytest.fail)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "expected an experiment file, or --resume RUN"),
        (("none.dlab",), "none.dlab: there is no such file"),
        (("FILE", "--set", "x"), "--set x: expected PATH=VALUE, such as training.batch_size=32"),
        (("FILE", "--set", "training.batch=3"), "training.batch: there is no such field; did you mean “batch_size”?"),
        (("FILE", "--set", "training.batch_size=0"), "training.batch_size: expected at least 1 and at most"),
        (("FILE", "--epochs", "0"), "argument --epochs: expected a whole number from 1 to 100000, got 0"),
        (("FILE", "--steps", "x"), "argument --steps: expected a whole number, got “x”"),
        (("FILE", "--device", "tpu"), "argument --device: there is no device “tpu”"),
        (("FILE", "--resume", "last"), "FILE cannot be given with --resume"),
        (("--resume", "last", "--seed", "3"), "--seed cannot be given with --resume"),
        (("--resume", "last", "--set", "seed=3"), "--set cannot be given with --resume"),
        (("--resume", "nothing"), "There is no run “nothing” in "),
        (("FILE", "--out", "FILE"), "is a file, not a folder"),
        (("FILE", "--out", ""), "expected the name of a folder, got “”"),
        (("",), "expected the name of an experiment file, got “”"),
        (("FILE", "--set", "name=a\udcff"), "--set name: the value is not text in this system's encoding"),
        (("FILE", "--set", "data.source={\"type\": \"csv\"}"), "data.source.path: no file is chosen yet"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_is_said_in_one_sentence(
    file: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], words: str
) -> None:
    monkeypatch.chdir(file.parent)
    assert words in complaint("train", *(str(file) if item == "FILE" else item for item in options))


def test_a_network_with_errors_is_refused_before_a_run_is_made(tmp_path: Path, home: Path) -> None:
    from engine import edits

    save(edits.disconnect(blobs(), "input_1", "dense_1"), tmp_path / "x.dlab")
    assert complaint("train", tmp_path / "x.dlab")
    assert RunStore(home).list() == []


# -- signals -----------------------------------------------------------------------------------------------------------


def start(path: Path, home: Path) -> subprocess.Popen[str]:
    """Train for ever in a process of its own; returns when two epochs are done."""
    save(blobs(epochs=100_000), path)
    process = subprocess.Popen(
        [sys.executable, "-m", "lab", "train", str(path), "--json"],
        cwd=ROOT,
        env={**os.environ, "DESCENT_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert [json.loads(process.stdout.readline())["epoch"] for _ in range(2)] == [1, 2]
    return process


@pytest.mark.skipif(os.name == "nt", reason="needs signals")
@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_signal_stops_the_run_with_a_checkpoint_and_says_how_to_go_on(
    tmp_path: Path, home: Path, number: signal.Signals
) -> None:
    process = start(tmp_path / "x.dlab", home)
    process.send_signal(number)
    out, err = process.communicate(timeout=WAIT / 1000)
    final = json.loads(out.splitlines()[-1])
    assert process.returncode == 130
    go_on = f"go on with: descent train --resume {final['run']}"
    assert err == f"descent: stopped after step {final['steps']}; {go_on}\n"
    (summary,) = RunStore(home).list()
    assert (summary.status, summary.steps, summary.resumable) == ("stopped", final["steps"], True)
    more = final["steps"] + 1
    assert descent("train", "--resume", final["run"], "--steps", more, "--json").lines[-1]["steps"] == more


@pytest.mark.parametrize("json_too", [False, True])
def test_a_stop_before_the_first_step_says_that_nothing_was_trained(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, json_too: bool
) -> None:
    save(blobs(), tmp_path / "x.dlab")

    load = Loading.load

    def interrupted(loading: Loading, *arguments: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return load(loading, *arguments)

    monkeypatch.setattr(Loading, "load", interrupted)
    done = descent("train", tmp_path / "x.dlab", *(["--json"] if json_too else []))
    assert done.status == 130 and done.err == "descent: stopped before the first step; nothing was trained\n"
    assert (done.lines[-1]["run"] is None) if json_too else (done.out == "")
    assert RunStore(home).list() == []


@pytest.mark.skipif(os.name == "nt", reason="needs signals")
def test_a_killed_run_is_listed_as_interrupted_and_goes_on(tmp_path: Path, home: Path) -> None:
    process = start(tmp_path / "x.dlab", home)
    process.kill()
    process.communicate(timeout=WAIT / 1000)
    (summary,) = descent("runs", "--json").json
    assert summary["status"] == "interrupted"
    steps = summary["steps"] + 5
    called = descent("train", "--resume", summary["run"], "--steps", steps, "--json")
    assert called.status == 0, called.err
    assert called.lines[-1]["steps"] == steps


@pytest.mark.skipif(os.name == "nt", reason="needs a terminal of POSIX")
def test_a_terminal_that_is_closed_ends_the_run_with_a_checkpoint(tmp_path: Path, home: Path) -> None:
    import fcntl
    import pty
    import termios

    save(blobs(epochs=100_000), tmp_path / "x.dlab")
    try:
        screen, line = pty.openpty()
    except OSError:
        pytest.skip("this machine has no pseudo-terminals")
    process = subprocess.Popen(
        [sys.executable, "-m", "lab", "train", str(tmp_path / "x.dlab")],
        cwd=ROOT, env={**os.environ, "DESCENT_HOME": str(home)}, stdin=line, stdout=line, stderr=line,
        start_new_session=True, preexec_fn=lambda: fcntl.ioctl(line, termios.TIOCSCTTY, 0),
    )  # fmt: skip
    os.close(line)
    seen = b""
    while b"epoch 3/" not in seen:
        seen += os.read(screen, 4096)
    os.close(screen)
    process.wait(timeout=WAIT / 1000)
    (summary,) = RunStore(home).list()
    assert (summary.status, summary.resumable) == ("stopped", True)


# -- the executor ------------------------------------------------------------------------------------------------------


class Background:
    """Stands for `engine.compilation.Compilation`; remembers what was asked of it."""

    orders: ClassVar[list[str]] = []

    def start(self) -> None:
        self.orders.append("start")

    def cancel(self) -> None:
        self.orders.append("cancel")

    def leave(self) -> bool:
        if "start" in self.orders:
            self.orders.append("leave")
        return "start" in self.orders


@pytest.fixture
def background(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    Background.orders.clear()
    monkeypatch.setattr("engine.compilation.Compilation", Background)
    return Background.orders


def test_kernels_are_compiled_beside_a_run_that_may_use_them(file: Path, background: list[str]) -> None:
    called = descent("train", file)
    assert called.status == 0 and background == ["start", "leave"]
    assert called.err == "descent: the kernels are still being compiled, in the background: later runs take them\n"
    background.clear()
    assert "NumPy" in descent("train", file, "--executor", "array").out
    assert background == ["cancel"], "nothing was begun"


def test_nothing_is_compiled_on_when_the_run_fails(file: Path, background: list[str]) -> None:
    assert descent("train", file, "--set", "data.source=digits", "--set", "training.batch_size=32").status == 2
    assert background == ["start", "cancel"]


def test_an_executor_that_cannot_be_had_is_refused_in_a_sentence(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.executors.unavailable", lambda: "The compiled executor needs numba.")
    assert "needs numba" in complaint("train", file, "--executor", "cpu")
    assert "invalid choice" in complaint("train", file, "--executor", "gpu")


def test_a_change_of_the_executor_is_told(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Second(ArrayExecutor):
        kind = "cpu"  # type: ignore[assignment]
        label = "Second · 1 thread"  # type: ignore[assignment]

    monkeypatch.setattr("engine.executors.misfit", lambda state: "")
    monkeypatch.setattr("engine.executors.compiled", lambda: True)
    monkeypatch.setattr("engine.training.changeover.INTERVAL", 0.0)
    made: list[ArrayExecutor] = []

    def choose(kind: str, state: State, **more: Any) -> ArrayExecutor:
        made.append(Second(state) if made else ArrayExecutor(state))
        return made[-1]

    monkeypatch.setattr("engine.executors.choose", choose)
    called = descent("train", file, "--json")
    assert called.err == "descent: the kernels are compiled: from step 3 on, Second · 1 thread\n"
    assert called.lines[-1]["device"] == "Second · 1 thread"
    assert len(made) == 2


def test_waiting_for_the_kernels_is_told(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(control: Control, report: Callable[[Event], None]) -> bool:
        for done in range(3):
            report(Compiling(run="", step=0, done=done, total=3 if done else 0))
        return True

    monkeypatch.setattr("engine.training.trainer.await_kernels", wait)
    monkeypatch.setattr("engine.executors.misfit", lambda state: "")
    monkeypatch.setattr("engine.executors.choose", lambda kind, state, **more: ArrayExecutor(state))
    called = descent("train", file, "--executor", "cpu")
    assert called.status == 0
    assert called.err == "descent: the kernels are compiled first, which takes a moment once\n"


@pytest.mark.parametrize(("waited", "words"), [(0.0, ""), (0.04, ""), (1.5, "15% of the time spent waiting")])
def test_waiting_for_augmented_batches_is_told_where_it_matters(waited: float, words: str) -> None:
    result = Result(
        run="r", epochs=1, steps=10, train_loss=0.1, val_loss=None, val_accuracy=None, metrics={}, seconds=10.0,
        samples_per_second=100.0, device="NumPy", reason="done", waited=waited,
    )  # fmt: skip
    assert ("waiting" in result_text(result)) == bool(words) and words in result_text(result)
