"""Checkpoints: the same bits back, or a refusal in words."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.training import checkpoint
from engine.training.checkpoint import CheckpointError, delete_checkpoint, read_checkpoint, thin, write_checkpoint
from tests.support.runs import arrays, same_arrays

COUNTERS = {"step": 120, "epoch": 1.5, "loss": float("nan"), "history": [1, 2.5, None, "x"], "nested": {"a": True}}


def test_round_trip(tmp_path: Path) -> None:
    written = write_checkpoint(tmp_path / "new" / "folder", arrays(), COUNTERS)
    found, counters = read_checkpoint(tmp_path / "new" / "folder", written.name)
    assert same_arrays(found, arrays())
    assert repr(counters) == repr(dict(sorted(COUNTERS.items())))
    sizes = [path.stat().st_size for path in (tmp_path / "new" / "folder").iterdir()]
    assert len(sizes) == 2 and sum(sizes) == written.bytes


def test_values_that_are_no_numbers_come_back(tmp_path: Path) -> None:
    odd = {"x": np.array([np.nan, np.inf, -np.inf, -0.0, 5e-324])}
    found, _ = read_checkpoint(tmp_path, write_checkpoint(tmp_path, odd, {"step": 0}).name)
    assert same_arrays(found, odd)


def test_array_order_in_memory_does_not_matter(tmp_path: Path) -> None:
    turned = {"x": np.arange(6.0).reshape(2, 3).T}
    found, _ = read_checkpoint(tmp_path, write_checkpoint(tmp_path, turned, {"step": 0}).name)
    assert np.array_equal(found["x"], turned["x"])


def test_the_same_step_twice_are_two_checkpoints(tmp_path: Path) -> None:
    first, second = (write_checkpoint(tmp_path, arrays(seed), {"step": 3}).name for seed in (0, 1))
    assert same_arrays(read_checkpoint(tmp_path, first)[0], arrays(0))
    assert same_arrays(read_checkpoint(tmp_path, second)[0], arrays(1))


@settings(
    deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100
)
@given(data=st.data())
def test_any_changed_byte_is_noticed(tmp_path: Path, data: st.DataObject) -> None:
    name = write_checkpoint(tmp_path, arrays(), {"step": 1, "text": "abc  def"}).name
    target = tmp_path / f"{name}{data.draw(st.sampled_from(['.safetensors', '.json']))}"
    content = bytearray(target.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    target.write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        read_checkpoint(tmp_path, name)


@settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(data=st.data())
def test_any_cut_or_addition_is_noticed(tmp_path: Path, data: st.DataObject) -> None:
    name = write_checkpoint(tmp_path, arrays(), {"step": 1}).name
    target = tmp_path / f"{name}{data.draw(st.sampled_from(['.safetensors', '.json']))}"
    content = target.read_bytes()
    cut = content[: data.draw(st.integers(0, len(content) - 1))]
    target.write_bytes(data.draw(st.sampled_from([cut, content + b"\n", content + content])))
    with pytest.raises(CheckpointError, match="damaged"):
        read_checkpoint(tmp_path, name)


def test_missing_files_and_odd_names(tmp_path: Path) -> None:
    name = write_checkpoint(tmp_path, arrays(), {"step": 1}).name
    (tmp_path / f"{name}.safetensors").unlink()
    with pytest.raises(CheckpointError, match="no such file"):
        read_checkpoint(tmp_path, name)
    for odd in ("../secret", "", "step-1", "/etc/passwd"):
        with pytest.raises(CheckpointError, match="not the name"):
            read_checkpoint(tmp_path, odd)


def test_another_format_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "FORMAT", 99)
    name = write_checkpoint(tmp_path, arrays(), {"step": 1}).name
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match=r"another version.*99"):
        read_checkpoint(tmp_path, name)


@pytest.mark.parametrize(
    ("number", "words"), [(errno.ENOSPC, "the disk is full"), (errno.EROFS, "read-only"), (errno.EACCES, "permission")]
)
@pytest.mark.parametrize("at", [0, 1])
def test_a_failing_disk_leaves_no_checkpoint_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str, at: int
) -> None:
    real, calls = os.fsync, iter(range(100))
    before = write_checkpoint(tmp_path, arrays(), {"step": 1})

    def failing(descriptor: int) -> None:
        # Two syncs a file: of the file and of its folder.
        if next(calls) == 2 * at:
            raise OSError(number, os.strerror(number))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(CheckpointError, match=f"cannot be saved.*{words}"):
        write_checkpoint(tmp_path, arrays(), {"step": 2})
    monkeypatch.undo()
    assert sorted(path.stem for path in tmp_path.iterdir()) == [before.name] * 2
    read_checkpoint(tmp_path, before.name)


def test_the_description_is_written_last_and_deleted_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    real = checkpoint.write_atomically
    monkeypatch.setattr(checkpoint, "write_atomically", lambda p, d: (order.append(Path(p).suffix), real(p, d)))
    name = write_checkpoint(tmp_path, arrays(), {"step": 1}).name
    assert order == [".safetensors", ".json"]
    removed: list[str] = []
    unlink = os.unlink

    def watch(path: Any) -> None:
        removed.append(Path(path).suffix)
        unlink(path)

    monkeypatch.setattr(os, "unlink", watch)
    delete_checkpoint(tmp_path, name)
    assert removed == [".json", ".safetensors"] and not list(tmp_path.iterdir())
    delete_checkpoint(tmp_path, name)  # what is gone is gone


def test_the_description_is_readable_json(tmp_path: Path) -> None:
    name = write_checkpoint(tmp_path, arrays(), {"step": 1}).name
    head = json.loads((tmp_path / f"{name}.json").read_text())
    assert head["arrays"]["parameter/dense_1/weight"] == ["float32", [3, 4]] and len(head["sha256"]) == 64


def test_sweep_leaves_only_what_is_named(tmp_path: Path) -> None:
    kept, gone = (write_checkpoint(tmp_path, arrays(), {"step": step}).name for step in (1, 2))
    for name in ("lock", f".{gone}.json.0123.tmp", "notes.json"):
        (tmp_path / name).write_text("x")
    checkpoint.sweep(tmp_path, [kept])
    assert {path.name for path in tmp_path.iterdir()} == {
        "lock", "notes.json", f"{kept}.json", f"{kept}.safetensors"
    }  # fmt: skip
    checkpoint.sweep(tmp_path / "missing", [])


def test_thinning_spreads_what_is_kept() -> None:
    steps: list[int] = []
    for step in range(1, 1001):
        steps.append(step * 100)
        for index in reversed(thin(steps, [1] * len(steps), count=20, budget=10**9)):
            steps.pop(index)
    gaps = np.diff([0, *steps])
    assert len(steps) == 20 and steps[-1] == 100_000
    assert gaps.max() <= 4 * np.median(gaps)


def test_thinning_keeps_within_the_budget() -> None:
    sizes = [5, 5, 5, 5]
    dropped = thin([1, 2, 3, 4], sizes, count=10, budget=10)
    assert len(dropped) == 2 and 3 not in dropped
    assert thin([1], [100], count=10, budget=10) == [0]
    assert thin([], [], count=10, budget=10) == []
