"""Experiment files: round trips, what is refused and in which words, and saving that survives anything."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine import files
from engine.files import FileError, dumps, load, loads, save
from engine.presets import make as preset
from engine.presets import presets
from engine.schema import Unknown
from tests.support.examples import blobs


def plain(**changes: Any) -> dict[str, Any]:
    document = json.loads(dumps(blobs()))
    document.update(changes)
    return document


def error_of(content: str | bytes) -> str:
    with pytest.raises(FileError) as caught:
        loads(content)
    return str(caught.value)


def changed(edit: Any) -> str:
    document = plain()
    edit(document["experiment"])
    return json.dumps(document)


# -- round trips -------------------------------------------------------------------------------------------------------


def test_an_experiment_comes_back_as_it_was() -> None:
    assert loads(dumps(blobs())) == blobs()


@pytest.mark.parametrize("name", [item.name for item in presets()])
def test_a_preset_comes_back_as_it_was_and_saves_to_the_same_bytes(name: str) -> None:
    text = dumps(preset(name))
    assert dumps(loads(text)) == text


def test_two_saves_of_the_same_thing_do_not_differ(tmp_path: Path) -> None:
    save(blobs(), tmp_path / "a.dlab")
    save(load(tmp_path / "a.dlab"), tmp_path / "b.dlab")
    assert (tmp_path / "a.dlab").read_bytes() == (tmp_path / "b.dlab").read_bytes()


def test_one_changed_field_changes_one_line() -> None:
    before = dumps(blobs()).splitlines()
    after = dumps(replace(blobs(), seed=4)).splitlines()
    assert len(before) == len(after)
    assert [(a, b) for a, b in zip(before, after, strict=True) if a != b] == [('    "seed": 3,', '    "seed": 4,')]


def test_the_layout_of_the_text_does_not_matter() -> None:
    document = json.loads(dumps(blobs()))
    shuffled = {key: document[key] for key in reversed(document)}
    assert loads(json.dumps(shuffled, separators=(",", ":"))) == blobs()
    assert loads(b"\xef\xbb\xbf" + dumps(blobs()).replace("\n", "\r\n").encode()) == blobs()


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_any_text_survives(text: str) -> None:
    experiment = replace(blobs(), name=text, notes=text)
    assert loads(dumps(experiment).encode()) == experiment


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e6, max_value=1e6))
def test_every_float_comes_back_exactly(value: float) -> None:
    first, *rest = blobs().network.nodes
    moved = replace(blobs(), network=replace(blobs().network, nodes=(replace(first, position=(value, -0.0)), *rest)))
    assert loads(dumps(moved)).network.nodes[0].position == (value, 0.0)


def test_unknown_components_are_kept_and_saved_back_unchanged() -> None:
    def edit(experiment: dict[str, Any]) -> None:
        experiment["network"]["nodes"][1] |= {"type": "telepathy", "heads": {"count": [4, None, "x"]}}
        experiment["training"]["optimizer"] = {"type": "tiger", "learning_rate": 1e-4}
        experiment["training"]["penalties"].append({"type": "orthogonal"})
        experiment["data"]["source"] = {"type": "stars"}

    text = changed(edit)
    loaded = loads(text)
    assert isinstance(loaded.network.nodes[1].component, Unknown)
    assert isinstance(loaded.training.optimizer, Unknown)
    saved = json.loads(dumps(loaded))
    assert saved == json.loads(text)
    assert dumps(loads(dumps(loaded))) == dumps(loaded)


def test_an_older_file_is_led_through_the_migrations(monkeypatch: pytest.MonkeyPatch) -> None:
    def one_to_two(experiment: dict[str, Any]) -> dict[str, Any]:
        return experiment | {"name": experiment["name"] + " 2"}

    def two_to_three(experiment: dict[str, Any]) -> dict[str, Any]:
        return experiment | {"name": experiment["name"] + " 3"}

    monkeypatch.setattr(files, "VERSION", 3)
    monkeypatch.setattr(files, "MIGRATIONS", {1: one_to_two, 2: two_to_three})
    assert loads(json.dumps(plain(version=1))).name == "Blobs 2 3"
    assert loads(json.dumps(plain(version=2))).name == "Blobs 3"
    assert '"version": 3' in dumps(blobs())


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\x89PNG\r\n\x1a\n\0\0", "is not a text file; expected an experiment of Descent Lab"),
        (b"\xff\xfe\x00", "is not a text file; expected an experiment of Descent Lab"),
        (b"caf\xe9", "is not a text file; expected an experiment of Descent Lab"),
        ("hello", "is not an experiment of Descent Lab"),
        ("[]", "is not an experiment of Descent Lab"),
        ("{}", "is not an experiment of Descent Lab"),
        ('{"format": "other"}', "is not an experiment of Descent Lab"),
        ('{"a": 1,\n "b" 2}', "line 2, column 6: is not valid JSON: expecting ':' delimiter"),
        ('{"a": NaN}', "is not valid JSON: NaN is not a number that a file may hold"),
        ('{"a": 1, "a": 2}', "is not valid JSON: “a” stands twice in one object"),
        ("[" * 100_000, "is nested too deeply"),
        ('{"a":' + "[" * 100 + "]" * 100 + "}", "is nested too deeply"),
        ('{"a": "\\ud800"}', "is not valid JSON: half of a two-part character stands alone"),
    ],
)
def test_what_is_not_an_experiment_is_refused_in_words(content: str | bytes, message: str) -> None:
    assert error_of(content) == message


def test_a_number_of_endless_digits_is_refused() -> None:
    assert error_of('{"a": ' + "9" * 5000 + "}") == "is not valid JSON: a number has 5000 digits"


def test_a_path_that_no_file_can_have() -> None:
    with pytest.raises(FileError, match="not a name that a file can have"):
        save(blobs(), "a\0b")


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (None, "version: expected the number of the file's version"),
        (True, "version: expected the number of the file's version"),
        ("1", "version: expected the number of the file's version"),
        (0, "version: expected the number of the file's version"),
        (7, "was saved by a newer Descent Lab (file version 7; this one reads up to 2); update Descent Lab to open it"),
    ],
)
def test_a_version_that_cannot_be_read(version: Any, message: str) -> None:
    assert error_of(json.dumps(plain(version=version))) == message


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            lambda e: e["network"]["nodes"][3].update(units=0),
            "network.nodes[3].units: expected at least 1 and at most 65536, got 0",
        ),
        (
            lambda e: e["network"]["nodes"][3].update(unit=5),
            "network.nodes[3].unit: there is no such field; did you mean “units”?",
        ),
        (
            lambda e: e["training"]["optimizer"].update(learning_rate="fast"),
            "training.optimizer.learning_rate: expected a number, got “fast”",
        ),
        (
            lambda e: e["training"]["optimizer"].pop("type"),
            "training.optimizer.type: expected the name of an optimizer, got nothing",
        ),
        (lambda e: e.pop("training"), "training: is missing"),
        (lambda e: [e.pop(key) for key in ("data", "training")], "data: is missing, and so is training"),
        (
            lambda e: e.update(training={"epochs": 3}),
            "training.optimizer: is missing, and so are schedule and warmup",
        ),
        (lambda e: e.update(sede=1), "sede: there is no such field; did you mean “seed”?"),
        (lambda e: e["network"].update(node=[]), "network.node: there is no such field; did you mean “nodes”?"),
        (
            lambda e: e.update(seed=10**400 - 1),
            "seed: expected at least 0 and at most 2147483647, got a number too large",
        ),
        (
            lambda e: e["training"]["optimizer"].update(learning_rate=2e6),
            "training.optimizer.learning_rate: expected more than 0 and at most 1000000, got 2000000",
        ),
        (lambda e: e["network"].update(nodes={}), "network.nodes: expected a list of nodes"),
        (
            lambda e: e["network"]["nodes"][2].update(id="dense_1"),
            "network.nodes[2].id: “dense_1” is already the id of nodes[1]",
        ),
        (
            lambda e: e["network"]["nodes"][2].update(position=[1]),
            "network.nodes[2].position: expected two numbers, x and y, within 10000000 of 0",
        ),
    ],
)
def test_a_wrong_field_is_named_with_its_place(edit: Any, message: str) -> None:
    assert error_of(changed(edit)).replace("a optimizer", "an optimizer") == message.replace(
        "a optimizer", "an optimizer"
    )


def test_a_missing_experiment_is_named() -> None:
    document = plain()
    del document["experiment"]
    assert error_of(json.dumps(document)) == "experiment: is missing"
    assert error_of(json.dumps(plain(experiment=[]))) == "expected an object that describes an experiment"
    assert error_of(json.dumps(plain(more=1))) == "more: there is no such field"


def test_a_file_cut_off_anywhere_is_refused() -> None:
    text = dumps(blobs()).rstrip().encode()
    cut_off = 0
    for length in range(0, len(text), 7):
        with pytest.raises(FileError) as caught:
            loads(text[:length])
        cut_off += "cut off" in caught.value.message
    assert cut_off > 0.9 * len(range(0, len(text), 7))


@given(st.data())
def test_a_damaged_file_is_read_or_refused_but_nothing_else_happens(data: st.DataObject) -> None:
    text = bytearray(dumps(blobs()).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    try:
        experiment = loads(bytes(text))
    except FileError:
        return
    assert loads(dumps(experiment)) == experiment


def test_a_number_that_json_cannot_hold_is_refused() -> None:
    first, *rest = blobs().network.nodes
    lost = replace(
        blobs(), network=replace(blobs().network, nodes=(replace(first, position=(float("nan"), 0.0)), *rest))
    )
    with pytest.raises(FileError, match="cannot hold the number nan"):
        dumps(lost)


# -- files -------------------------------------------------------------------------------------------------------------


def test_the_errors_of_files_name_the_file(tmp_path: Path) -> None:
    (tmp_path / "bad.dlab").write_text("{}")
    (tmp_path / "large.dlab").write_bytes(b" " * (files.MAX_BYTES + 1))
    cases = {
        "missing.dlab": "there is no such file",
        "bad.dlab": "is not an experiment of Descent Lab",
        "": "is a folder, not a file",
        "bad.dlab/x.dlab": "a part of the path is a file, not a folder",
        "large.dlab": "is larger than 16 MiB; an experiment is far smaller",
        "x" * 300: "the name is too long",
    }
    for name, message in cases.items():
        with pytest.raises(FileError) as caught:
            load(tmp_path / name)
        assert str(caught.value) == f"{tmp_path / name}: {message}"
    with pytest.raises(FileError, match="is not a name that a file can have"):
        load("a\0b")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.dlab")
    with pytest.raises(FileError, match="is not a regular file"):
        load(tmp_path / "pipe.dlab")
    with pytest.raises(FileError, match="not a regular file"):
        save(blobs(), tmp_path / "pipe.dlab")
    assert stat.S_ISFIFO((tmp_path / "pipe.dlab").stat().st_mode)


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="the folder does not exist"):
        save(blobs(), tmp_path / "no" / "x.dlab")
    with pytest.raises(FileError, match="is a folder, not a file"):
        save(blobs(), tmp_path)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.dlab"
    save(blobs(), path)
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileError, match="cannot be written: the disk is full"):
        save(replace(blobs(), seed=9), path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["x.dlab"]


def test_the_file_is_on_the_disk_before_it_takes_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order = []
    real_replace, real_sync = os.replace, os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (order.append("sync"), real_sync(fd))[1])
    monkeypatch.setattr(os, "replace", lambda a, b: (order.append("replace"), real_replace(a, b))[1])
    save(blobs(), tmp_path / "x.dlab")
    assert order == (["sync", "replace", "sync"] if os.name != "nt" else ["sync", "replace"])


@pytest.mark.skipif(os.name == "nt", reason="needs symbolic links and modes")
def test_a_link_stays_a_link_and_the_mode_is_kept(tmp_path: Path) -> None:
    path, link = tmp_path / "x.dlab", tmp_path / "link.dlab"
    save(blobs(), path)
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask
    path.chmod(0o640)
    link.symlink_to(path)
    save(replace(blobs(), seed=9), link)
    assert link.is_symlink()
    assert load(path).seed == 9
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "x.dlab"
    save(blobs(), path)
    done = threading.Event()

    def write() -> None:
        for seed in range(100):
            save(replace(blobs(), seed=seed), path)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    reads = 0
    while not done.is_set() or reads == 0:
        load(path)
        reads += 1
    writer.join()
    assert load(path).seed == 99
