import os
import threading
from pathlib import Path

import numpy as np
import pytest

from engine.data import DataError, cache, forget, load, peek
from engine.data.preprocessing import Center, Pca, Whiten
from engine.data.sources import Blobs, CsvFile, Diabetes, Digits, FashionMnist, Mnist, Moons, Regression, Spirals
from engine.experiment import DataSpec, SplitSpec


@pytest.fixture(autouse=True)
def fresh() -> None:
    forget()


@pytest.mark.parametrize("source", [Mnist(), FashionMnist(), Spirals(classes=4), Moons(), Blobs(), Regression()])
@pytest.mark.parametrize("split", [SplitSpec(), SplitSpec(validation=0.1, test=0.3, train_limit=11)])
def test_peek_says_beforehand_what_load_delivers(source, split: SplitSpec) -> None:
    spec = DataSpec(source=source, split=split)
    seen = peek(spec)
    assert seen is not None
    assert seen == load(spec).signature


@pytest.mark.parametrize("steps", [(Pca(components=5),), (Whiten(form="PCA"),), (Center(), Whiten())])
def test_peek_knows_the_shape_that_preprocessing_makes(steps) -> None:
    spec = DataSpec(source=Mnist(), split=SplitSpec(validation=4800), preprocessing=steps)
    seen = peek(spec)
    assert seen is not None
    if not isinstance(steps[-1], Whiten):  # 784 directions take a second
        assert seen == load(spec).signature
    assert (seen.inputs["x"] == seen.source_shape("x")) == isinstance(steps[0], Center)


def test_a_share_of_the_variance_must_be_loaded_once_to_be_known() -> None:
    spec = DataSpec(source=Spirals(), preprocessing=(Pca(components=0.5),))
    assert peek(spec) is None
    signature = load(spec).signature
    assert signature.inputs == {"x": (1,)} and signature.source_inputs == {"x": (2,)}
    assert peek(spec) is signature


def test_peek_needs_no_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sklearn.datasets", None)
    digits, diabetes = peek(DataSpec(source=Digits())), peek(DataSpec(source=Diabetes()))
    assert digits is not None and digits.inputs == {"x": (8, 8, 1)}
    assert diabetes is not None and diabetes.targets["y"].shape == (1,)


def test_peek_of_what_cannot_be_divided() -> None:
    assert peek(DataSpec(source=Blobs(samples=10), split=SplitSpec(validation=10))) is None


def table(folder: Path, rows: int = 6) -> DataSpec:
    lines = "".join(f"{i},{i / 2},{'ab'[i % 2]}\n" for i in range(rows))
    (folder / "t.csv").write_text("u,v,kind\n" + lines)
    return DataSpec(source=CsvFile(path=str(folder / "t.csv")))


def test_a_file_is_read_once_until_it_changes(tmp_path: Path) -> None:
    spec = table(tmp_path)
    assert peek(spec) is None
    first = load(spec)
    assert load(spec) is first
    assert peek(spec) == first.signature
    table(tmp_path, rows=8)
    assert peek(spec) is None
    assert load(spec).raw.samples == 8


def test_a_change_of_the_same_size_is_noticed_by_its_time(tmp_path: Path) -> None:
    spec = table(tmp_path)
    load(spec)
    text = (tmp_path / "t.csv").read_text().replace("5,2.5,b", "9,2.5,b")
    (tmp_path / "t.csv").write_text(text)
    os.utime(tmp_path / "t.csv", ns=(1, 1))
    assert load(spec).raw.inputs["x"].max() == 9


def test_other_preprocessing_does_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = table(tmp_path)
    plain = load(spec)
    monkeypatch.setattr(CsvFile, "read", lambda self: pytest.fail("read again"))
    centred = load(DataSpec(source=spec.source, preprocessing=(Center(),)))
    assert centred.raw is plain.raw
    assert abs(centred.train.arrays["x"].mean()) < 1e-6
    other = load(DataSpec(source=spec.source, split=SplitSpec(seed=9)))
    assert other.train.indices.tolist() != plain.train.indices.tolist()


def test_errors_are_not_kept(tmp_path: Path) -> None:
    spec = DataSpec(source=CsvFile(path=str(tmp_path / "t.csv")))
    with pytest.raises(DataError, match="there is no file"):
        load(spec)
    table(tmp_path)
    assert load(spec).raw.samples == 6


def test_forget_reads_again(tmp_path: Path) -> None:
    spec = table(tmp_path)
    first = load(spec)
    forget()
    assert peek(spec) is None
    assert load(spec) is not first


def test_few_are_kept() -> None:
    first = load(DataSpec(source=Blobs(samples=30, seed=0)))
    for seed in range(1, 8):
        load(DataSpec(source=Blobs(samples=30, seed=seed)))
    assert load(DataSpec(source=Blobs(samples=30, seed=0))) is not first


def test_two_threads_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    started, may_go, calls = threading.Event(), threading.Event(), []
    original = Blobs.read

    def slow(self):
        calls.append(self)
        started.set()
        assert may_go.wait(10)
        return original(self)

    monkeypatch.setattr(Blobs, "read", slow)
    spec, results = DataSpec(source=Blobs(samples=40)), []
    threads = [threading.Thread(target=lambda: results.append(load(spec))) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert started.wait(10)
    assert peek(spec) is not None  # Peeking does not wait for the reading.
    may_go.set()
    for thread in threads:
        thread.join(10)
    assert len(calls) == 1
    assert len(results) == 4
    assert all(result is results[0] for result in results)


def test_a_failure_in_one_thread_does_not_block_the_others(tmp_path: Path) -> None:
    kept: cache._Kept[int] = cache._Kept(2)
    with pytest.raises(DataError):
        kept.get("a", lambda: (_ for _ in ()).throw(DataError("no")))
    assert kept.get("a", lambda: 5) == 5
    assert kept.get("a", lambda: 6) == 5


def test_equal_specs_share_their_arrays() -> None:
    first, second = (load(DataSpec(source=Moons(samples=50))) for _ in range(2))
    assert np.shares_memory(first.train.arrays["x"], second.train.arrays["x"])
