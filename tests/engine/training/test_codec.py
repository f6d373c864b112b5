"""Events as bytes and back."""

import zlib

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.optimizers import SGD
from engine.training import events
from engine.training.codec import CodecError, decode, encode
from tests.support.runs import epoch, frame

EVENTS = [
    epoch(2, 20, loss=None),
    events.Started(
        run="r", step=0, total_steps=10, steps_per_epoch=5, epochs=2, device="CPU", expected_initial_loss=None,
        parameter_count=3,
    ),
    events.Paused(run="r", step=1),
    events.RateDropped(run="r", step=10, scale=0.1, before=0.3, after=0.03),
    events.ConditionMet(run="r", step=10, condition="early_stopping", message="Enough."),
    events.Restored(run="r", step=10, best_step=4),
    events.Resumed(run="r", step=1),
    events.Changed(run="r", step=1, path="training.optimizer.learning_rate", before=0.1, after=1e-320),
    events.Checkpointed(run="r", step=1, epoch=0.5, best=True),
    events.Diverged(run="r", step=1, node="dense_1", message="Loss ist unendlich – “∞”"),
    events.Failed(run="r", step=1, node="", message="m", details="d" * 1000),
    events.Finished(run="r", step=1, reason="done", seconds=1.25),
    events.ExecutorChanged(run="r", step=6, executor="cpu", device="Compiled · 2 threads"),
    events.DeviceFailed(run="r", step=6, failed_at=9, executor="cpu", device="Compiled · 2 threads", message="Lost."),
    events.Rounded(run="r", step=0, math="tf32", error=3e-4),
    events.WeightsScaled(run="r", step=0, before={"dense_1": 0.2}, after={"dense_1": 1.0}, tries={"dense_1": 1}),
    events.Unsaved(run="r", step=1, message="The disk is full."),
    events.Progress(
        run="r", step=1, epoch=0.5, epochs=2, total_steps=9, samples_per_second=1.0, instrument_share=0.0, seconds=1.0,
        seconds_left=None,
    ),
]  # fmt: skip


@pytest.mark.parametrize("event", EVENTS, ids=lambda e: type(e).__name__)
def test_round_trip(event: events.Event) -> None:
    assert decode(encode(event)) == event


def test_every_event_type_is_known() -> None:
    concrete = {cls for cls in vars(events).values() if isinstance(cls, type) and issubclass(cls, events.Event)}
    covered = {type(e) for e in EVENTS} | {events.Frame, events.FirstLayer, events.Surface, events.Confusion}
    elsewhere = {events.Timeline, events.Compiling, events.StepRows}  # shown only; rows have a store of their own
    assert concrete - {events.Event} - elsewhere == covered


def test_not_a_number_comes_back() -> None:
    found = decode(encode(msgspec.structs.replace(epoch(1, 6), train_loss=float("nan"))))
    assert isinstance(found, events.EpochEnd) and np.isnan(found.train_loss)


def test_channels_come_back_and_may_be_missing() -> None:
    values = np.arange(3, dtype=np.float32)
    channels = events.ChannelStats(
        mean=values, std=values + 1, minimum=values - 1, maximum=values + 2, zero_share=values / 4
    )
    event = frame(40)
    stats = msgspec.structs.replace(event.activations["dense_1"], channels=channels)
    found = decode(encode(msgspec.structs.replace(event, activations={"a": stats, **event.activations})))
    assert isinstance(found, events.Frame)
    seen = found.activations["a"].channels
    assert seen is not None and found.activations["dense_1"].channels is None
    for name in channels.__struct_fields__:
        np.testing.assert_array_equal(getattr(seen, name), getattr(channels, name))


def test_frame() -> None:
    event = frame(40)
    found = decode(encode(event))
    assert isinstance(found, events.Frame) and isinstance(found.parameters["a/b"], events.ParameterStats)
    stats, before = found.activations["dense_1"], event.activations["dense_1"]
    assert stats.histogram is not None and before.histogram is not None
    assert np.isnan(stats.std) and np.array_equal(stats.histogram, before.histogram)
    assert stats.histogram.dtype == np.int64
    assert found.parameters["a/b"].shape == (2, 2) and found.parameters["a/b"].gradient is None


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8", "bool"])
def test_arrays_keep_type_shape_and_bits(dtype: str) -> None:
    values = np.random.default_rng(0).integers(0, 2, (3, 4, 2)).astype(dtype)[::-1, :, ::-1]
    found = decode(encode(events.Surface(run="r", step=1, values=values, extent=(0.0, 1.0, 2.0, 3.0))))
    assert isinstance(found, events.Surface) and found.extent == (0.0, 1.0, 2.0, 3.0)
    assert found.values.dtype == values.dtype and np.array_equal(found.values, values)


def test_confusion_and_filters() -> None:
    event = events.Confusion(run="r", step=1, matrix=np.eye(3, dtype=np.int64), class_names=("a", "b", "c"))
    found = decode(encode(event))
    assert isinstance(found, events.Confusion) and found.class_names == event.class_names
    layer = decode(encode(events.FirstLayer(run="r", step=1, node="c", filters=np.zeros((0, 2, 2, 1)))))
    assert isinstance(layer, events.FirstLayer) and layer.filters.shape == (0, 2, 2, 1)


def test_numpy_numbers_and_components_become_plain() -> None:
    event = events.Changed(run="r", step=1, path="x", before=np.float32(0.5), after=SGD(learning_rate=0.5))
    found = decode(encode(event))
    assert isinstance(found, events.Changed)
    assert found.before == 0.5 and found.after["type"] == "sgd" and found.after["learning_rate"] == 0.5


def test_an_array_of_objects_is_refused() -> None:
    with pytest.raises(TypeError, match="object"):
        encode(events.Surface(run="r", step=1, values=np.array([{}]), extent=(0, 1, 0, 1)))


def test_only_listed_types_come_back() -> None:
    with pytest.raises(CodecError):
        decode(zlib.compress(msgspec.msgpack.encode(["Path", {"run": "r", "step": 1}])))
    with pytest.raises(CodecError):
        decode(zlib.compress(msgspec.msgpack.encode(["Paused", {"run": "r", "step": 1, "more": 2}])))
    with pytest.raises(TypeError, match="Event"):
        encode(events.Event(run="r", step=1))


@settings(deadline=None, derandomize=True)
@given(st.binary(max_size=60))
def test_junk_is_refused(junk: bytes) -> None:
    for data in (junk, zlib.compress(junk)):
        with pytest.raises(CodecError):
            decode(data)


def test_statistics_of_batch_normalization_come_back_and_may_be_missing() -> None:
    values = np.arange(3.0)
    stats = events.NormalizationStats(
        batch_mean=values, batch_variance=values + 1, running_mean=values - 1, running_variance=values + 2
    )
    found = decode(encode(msgspec.structs.replace(frame(40), normalizations={"batch_norm_1": stats})))
    assert isinstance(found, events.Frame)
    for name in stats.__struct_fields__:
        np.testing.assert_array_equal(getattr(found.normalizations["batch_norm_1"], name), getattr(stats, name))
    name, plain = msgspec.msgpack.decode(zlib.decompress(encode(frame(40))))
    del plain["normalizations"]  # as in runs of earlier versions
    older = decode(zlib.compress(msgspec.msgpack.encode([name, plain | {"activations": {}, "parameters": {}}])))
    assert isinstance(older, events.Frame) and older.normalizations == {}
