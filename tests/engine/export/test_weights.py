"""Weights: the same bits back from both formats, and a refusal in words of everything that does not fit."""

import contextlib
import io
import json
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.diagnostics import NodeReport, Report
from engine.experiment import NetworkSpec, Node
from engine.export.weights import (
    LAYOUT,
    WeightsError,
    load_weights,
    match,
    read_metadata,
    save_weights,
    weights_of,
)
from engine.initializers import Constant
from engine.layers.base import BufferSpec, Layer, ParameterSpec, Shape
from tests.support.runs import arrays, same_arrays

ARRAYS = weights_of(arrays())
BOTH = pytest.mark.parametrize("suffix", [".npz", ".safetensors"])


class Probe(Layer, frozen=True):
    """A layer with one buffer, outside the registry."""

    def buffers(self, shapes: tuple[Shape, ...]) -> tuple[BufferSpec, ...]:
        return (BufferSpec(name="mean", shape=shapes[0], initial=0.0),)


def network() -> tuple[NetworkSpec, Report]:
    specs = (
        ParameterSpec(name="weight", shape=(3, 4), initializer=Constant(), fan_in=3, fan_out=4),
        ParameterSpec(name="bias", shape=(4,), initializer=Constant(), fan_in=3, fan_out=4, decay=False),
    )
    node = NodeReport(node="d", input_shapes=((3,),), shape=(4,), parameters=specs)
    spec = NetworkSpec(nodes=(Node(id="d", component=Probe(), inputs=()),))
    return spec, Report(order=("d",), nodes={"d": node}, diagnostics=())


def fitting() -> dict[str, np.ndarray]:
    return {"d/weight": np.ones((3, 4)), "d/bias": np.zeros(4), "d/mean": np.zeros(3)}


@BOTH
def test_round_trip(tmp_path: Path, suffix: str) -> None:
    save_weights(tmp_path / f"w{suffix}", ARRAYS, experiment="Größe", run="r1")
    assert same_arrays(load_weights(tmp_path / f"w{suffix}"), ARRAYS)
    metadata = read_metadata(tmp_path / f"w{suffix}")
    assert metadata["experiment"] == "Größe" and metadata["run"] == "r1" and metadata["layout"] == LAYOUT
    assert json.loads(metadata["shapes"])["dense_1/weight"] == [3, 4] and metadata["version"] == "1"


def test_slots_are_left_out() -> None:
    assert set(ARRAYS) == {"dense_1/weight", "norm_1/count", "empty"}


def test_other_programs_read_both(tmp_path: Path) -> None:
    save_weights(tmp_path / "w.npz", ARRAYS)
    save_weights(tmp_path / "w.safetensors", ARRAYS)
    with np.load(tmp_path / "w.npz", allow_pickle=False) as found:
        assert np.array_equal(found["dense_1/weight"], ARRAYS["dense_1/weight"])
    found = safetensors.numpy.load_file(tmp_path / "w.safetensors")
    assert same_arrays(found, ARRAYS)


def test_files_of_other_programs_are_read(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", **fitting())
    safetensors.numpy.save_file(fitting(), tmp_path / "a.safetensors")
    for name in ("a.npz", "a.safetensors"):
        assert same_arrays(load_weights(tmp_path / name), fitting())
        assert read_metadata(tmp_path / name) == {}


def test_a_transposed_array_is_saved_as_it_looks(tmp_path: Path) -> None:
    turned = np.arange(6.0).reshape(2, 3).T
    for name in ("w.npz", "w.safetensors"):
        save_weights(tmp_path / name, {"x": turned})
        assert np.array_equal(load_weights(tmp_path / name)["x"], turned)


def test_the_content_tells_the_format(tmp_path: Path) -> None:
    save_weights(tmp_path / "w.npz", ARRAYS)
    (tmp_path / "w.npz").rename(tmp_path / "w.bin")
    assert same_arrays(load_weights(tmp_path / "w.bin"), ARRAYS)


def test_refused_to_save(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"saved as .npz or .safetensors, not as “.pt”"):
        save_weights(tmp_path / "w.pt", ARRAYS)
    with pytest.raises(WeightsError, match="no weights"):
        save_weights(tmp_path / "w.npz", {})
    with pytest.raises(WeightsError, match="no such file or folder"):
        save_weights(tmp_path / "no" / "w.npz", ARRAYS)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"hello, world, hello", "neither"),
        (b"PK\x03\x04 junk", "damaged"),
        (b"\x80\x04\x95", "neither"),
    ],
)
def test_what_is_no_weights_file(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "w.npz").write_bytes(content)
    with pytest.raises(WeightsError, match=words):
        load_weights(tmp_path / "w.npz")


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no such file"):
        load_weights(tmp_path / "none.npz")
    with pytest.raises(WeightsError, match="not a file"):
        load_weights(tmp_path)


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(WeightsError, match="“x” holds pickled objects"):
        load_weights(tmp_path / "w.npz")


@BOTH
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite(tmp_path: Path, suffix: str, bad: float) -> None:
    save_weights(tmp_path / f"w{suffix}", {"d/weight": np.array([1.0, bad, 2.0, bad])})
    with pytest.raises(WeightsError, match="2 of the 4 values of “d/weight” are not finite"):
        load_weights(tmp_path / f"w{suffix}")


def test_texts_are_no_weights(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", x=np.array(["a"]))
    with pytest.raises(WeightsError, match="not numbers"):
        load_weights(tmp_path / "w.npz")


def test_a_newer_version_is_named(tmp_path: Path) -> None:
    metadata = {"format": "descent-lab-weights", "version": "7", "shapes": "{}"}
    safetensors.numpy.save_file(fitting(), tmp_path / "w.safetensors", metadata)
    with pytest.raises(WeightsError, match="newer Descent Lab"):
        load_weights(tmp_path / "w.safetensors")


def test_an_array_that_was_taken_out_is_noticed(tmp_path: Path) -> None:
    save_weights(tmp_path / "w.npz", ARRAYS)
    with zipfile.ZipFile(tmp_path / "w.npz") as old, zipfile.ZipFile(tmp_path / "v.npz", "w") as new:
        for name in old.namelist():
            if name != "dense_1/weight.npy":
                new.writestr(name, old.read(name))
    with pytest.raises(WeightsError, match="not those that it lists"):
        load_weights(tmp_path / "v.npz")


def test_a_header_that_promises_too_much_allocates_nothing(tmp_path: Path) -> None:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f8", "fortran_order": False, "shape": (2**40,)})
    with zipfile.ZipFile(tmp_path / "w.npz", "w") as archive:
        archive.writestr("x.npy", stream.getvalue())
    with pytest.raises(WeightsError, match="cut off"):
        load_weights(tmp_path / "w.npz")
    header = json.dumps({"x": {"dtype": "F64", "shape": [2**40], "data_offsets": [0, 2**43]}}).encode()
    (tmp_path / "w.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(WeightsError, match="damaged or cut off"):
        load_weights(tmp_path / "w.safetensors")


def test_an_archive_that_inflates_for_ever(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "w.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", b"\0" * 10_000_000)
    content = bytearray((tmp_path / "w.npz").read_bytes())
    at = content.rindex(b"PK\x01\x02") + 24  # the size that the directory claims
    content[at : at + 4] = struct.pack("<I", 2**31)
    (tmp_path / "w.npz").write_bytes(content)
    with pytest.raises(WeightsError, match="too large"):
        load_weights(tmp_path / "w.npz")


@BOTH
@settings(
    deadline=None, derandomize=True, max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_damage_never_escapes_as_another_error(tmp_path: Path, suffix: str, data: st.DataObject) -> None:
    path = tmp_path / f"w{suffix}"
    save_weights(path, ARRAYS)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))])
    with contextlib.suppress(WeightsError):
        assert all(np.isfinite(array).all() for array in load_weights(path).values())


def test_weights_that_fit() -> None:
    spec, report = network()
    found = match(fitting(), spec, report)
    assert set(found) == {"parameter/d/weight", "parameter/d/bias", "buffer/d/mean"}
    assert found["buffer/d/mean"].shape == (3,)


def test_everything_that_does_not_fit_is_listed() -> None:
    spec, report = network()
    wrong = {"d/weight": np.ones((4, 3)), "d/bias": np.ones(5), "e/weight": np.ones(1)}
    with pytest.raises(WeightsError) as caught:
        match(wrong, spec, report)
    text = str(caught.value)
    assert "“d/weight” has the shape 4 × 3, the network needs 3 × 4 (the same axes in another order" in text
    assert "“d/bias” has the shape 5, the network needs 4;" in text
    assert "“d/mean” is missing" in text and "“e/weight” has no place in the network" in text


def test_a_long_list_is_cut() -> None:
    spec, report = network()
    with pytest.raises(WeightsError, match="and 12 more"):
        match(fitting() | {f"x{i}": np.ones(1) for i in range(20)}, spec, report)
