"""Every registered component keeps the promises of its declaration: file, form, help, source, bounds, training."""

from __future__ import annotations

import gzip
import json
import math
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from msgspec.structs import replace

from engine import data, edits, files
from engine.data.errors import DataError
from engine.experiment import DataSpec, Experiment, Node
from engine.graph import check_experiment
from engine.kinds import Prediction
from engine.schema import (
    Component,
    ComponentInfo,
    FieldSpec,
    SchemaError,
    all_components,
    fields_of,
    from_plain,
    lookup,
    parse_field,
    to_plain,
    validate,
)
from engine.training.result import TrainingError
from engine.training.trainer import Trainer
from tests.support.examples import blobs, chain, make

INFOS = tuple(all_components())
IDS = [f"{info.kind}-{info.tag}" for info in INFOS]
every_component = pytest.mark.parametrize("info", INFOS, ids=IDS)

AFFORDABLE = 4096
"""Sizes are tried up to this: what lies beyond differs only in time and memory."""
AFFORDABLE_DATA = 64


# -- values ------------------------------------------------------------------------------------------------------------


def boundary_values(spec: FieldSpec, limit: float) -> Iterator[Any]:
    """The values at the edges of what a field allows."""
    if spec.kind == "bool":
        yield from (False, True)
    elif spec.kind == "choice":
        yield from spec.choices
    elif spec.kind == "component":
        yield from (cls() for cls in (lookup(spec.component_kind, tag) for tag in _tags(spec.component_kind)) if cls)
    elif spec.kind in ("int", "float"):
        if spec.minimum is not None:
            yield _inside(spec, spec.minimum, upwards=True)
        if spec.maximum is not None:
            yield min(_inside(spec, spec.maximum, upwards=False), limit if spec.integer else math.inf)


def _inside(spec: FieldSpec, bound: float, *, upwards: bool) -> float:
    exclusive = spec.exclusive_minimum if upwards else spec.exclusive_maximum
    if spec.integer:
        return int(bound) + ((1 if upwards else -1) if exclusive else 0)
    return math.nextafter(bound, math.inf if upwards else -math.inf) if exclusive else float(bound)


def _tags(kind: str) -> list[str]:
    return [info.tag for info in INFOS if info.kind == kind]


def variants(info: ComponentInfo, component: Component, limit: float = AFFORDABLE) -> Iterator[Component]:
    """The component with each field in turn at each of its edges."""
    for spec in fields_of(info.cls):
        for value in boundary_values(spec, limit):
            yield replace(component, **{spec.name: parse_field(spec, value)})


# -- what can be read off a declaration --------------------------------------------------------------------------------


def test_there_are_components_of_every_kind() -> None:
    assert {info.kind for info in INFOS} >= {
        "layer", "loss", "initializer", "optimizer", "schedule", "warmup", "penalty", "metric", "source",
        "preprocessing", "augmentation",
    }  # fmt: skip


@every_component
def test_it_says_what_it_is_and_where_it_is_from(info: ComponentInfo) -> None:
    assert info.label.strip()
    assert info.summary.endswith((".", "!", "?")), "the first line of the docstring is a sentence"
    # "Authors: Title (year)" or, where there is nobody to name, common practice.
    assert re.match(r"[^:(]+: .*\b(18|19|20)\d\d\b|Common practice", info.source), info.source
    assert info.tag.replace("_", "").isalnum() and info.tag == info.tag.lower()


@pytest.mark.parametrize("info", [info for info in INFOS if info.kind != "source"], ids=lambda info: info.label)
def test_it_says_what_it_computes_and_when_not_to_use_it(info: ComponentInfo) -> None:
    assert info.formula.strip()
    assert len(info.avoid) > 20 and info.avoid.endswith(".")
    # It stands behind the words "When not to use it:", which this would turn into their opposite.
    assert not info.avoid.startswith("Only")
    assert not info.differs or info.differs.endswith(".")


@pytest.mark.parametrize("tag", _tags("loss"))
def test_a_loss_says_what_it_predicts_and_a_metric_takes_it(tag: str) -> None:
    loss: Any = lookup("loss", tag)
    assert loss.predicts in get_args(Prediction)
    assert any(lookup("metric", name)().suits(loss) for name in _tags("metric"))  # type: ignore


@every_component
def test_every_field_has_help_and_a_default_that_it_allows(info: ComponentInfo) -> None:
    for spec in fields_of(info.cls):
        assert len(spec.help) > 3, spec.name
        assert spec.help.endswith("."), spec.help
        assert spec.label
        assert not spec.required, "a component can be taken from the palette without a question"
        assert parse_field(spec, spec.default) == spec.default
        if spec.search is not None:
            low, high = spec.search
            assert low < high
            assert parse_field(spec, low) == low and parse_field(spec, high) == high
        if spec.scale == "log" and spec.minimum is not None:
            assert spec.minimum >= 0


@every_component
def test_it_goes_through_a_file_and_comes_back(info: ComponentInfo) -> None:
    default = info.cls()
    for value in (default, *variants(info, default)):
        plain = json.loads(json.dumps(to_plain(value), allow_nan=False))
        assert plain["type"] == info.tag
        assert from_plain(info.kind, plain) == validate(value)


@every_component
def test_values_outside_its_bounds_are_refused(info: ComponentInfo) -> None:
    for spec in fields_of(info.cls):
        for bound, outside in ((spec.minimum, -1), (spec.maximum, 1)):
            if bound is not None:
                beyond = int(bound) + outside if spec.integer else math.nextafter(bound, outside * math.inf)
                with pytest.raises(SchemaError, match=f"{spec.name}: expected"):
                    parse_field(spec, beyond)


@every_component
def test_it_builds_a_form(info: ComponentInfo, qtbot: Any) -> None:
    from widgets.form import Form

    form = Form(info.cls)
    qtbot.addWidget(form)
    default = info.cls()
    form.set_value(default)
    assert set(form.rows) == {spec.name for spec in fields_of(info.cls)}
    for value in variants(info, default):
        form.set_value(value)
        assert form.value is value


# -- two steps of training ---------------------------------------------------------------------------------------------


def two_steps(experiment: Experiment) -> str:
    """Train two steps; returns "done", "diverged", or "refused" when the checker says in words why it cannot be.

    The experiment goes through a file first: what trains is what a file holds.
    """
    experiment = files.loads(files.dumps(experiment))
    try:
        dataset = data.load(experiment.data)
    except DataError:
        return "refused"
    report = check_experiment(experiment, dataset.signature)
    if not report.ok:
        assert all(item.message for item in report.diagnostics)
        return "refused"
    try:
        result = Trainer(experiment, dataset=dataset, device="cpu", steps=2).run()
    except TrainingError as error:
        if "vocabulary" in str(error):  # which tokens there are, the data alone can tell
            return "refused"
        raise
    if result.reason == "diverged":
        return "diverged"
    assert result.steps == 2 or result.message, "a stop condition may end it before, and says so"
    assert result.train_loss is not None and math.isfinite(result.train_loss)
    return "done"


@pytest.fixture(scope="module")
def arrays(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with small data of every form that sources read."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (24, 6, 6, 1), dtype=np.uint8)
    classes = np.arange(24) % 3
    np.savez(folder / "classes.npz", x=images, y=classes)
    np.savez(folder / "codes.npz", x=np.stack([classes, np.arange(24)], axis=1), y=classes)
    np.savez(folder / "binary.npz", x=images, y=classes % 2)
    np.savez(folder / "numbers.npz", x=images, y=rng.normal(size=(24, 2)))
    rows = "\n".join(f"{a:.3f},{b:.3f},{c}" for (a, b), c in zip(rng.normal(size=(24, 2)), classes, strict=True))
    (folder / "table.csv").write_text(f"height,width,kind\n{rows}\n")
    (folder / "images.gz").write_bytes(gzip.compress(struct.pack(">HBB3I", 0, 8, 3, 24, 6, 6) + images.tobytes()))
    (folder / "labels.gz").write_bytes(gzip.compress(struct.pack(">HBBI", 0, 8, 1, 24) + bytes(classes.tolist())))
    from PIL import Image

    for i, label in enumerate(classes):
        (folder / "images" / f"class{label}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[i, :, :, 0]).save(folder / "images" / f"class{label}" / f"{i}.png")
    return folder


def on(experiment: Experiment, source: Component, *preprocessing: Component) -> Experiment:
    spec = DataSpec(source=source, preprocessing=preprocessing)  # type: ignore[arg-type]
    return replace(experiment, data=spec, training=replace(experiment.training, batch_size=8))


def with_layer(layer: Any, folder: Path) -> Experiment:
    """A network on images in which the layer stands behind the input."""
    if info_tag(layer) == "input":
        network = chain(layer, make("layer", "flatten"), make("layer", "dense", units=3), loss_of("classes"))
    else:
        # Attention reads three sequences, and no single remedy makes these of images.
        before = (make("layer", "reshape", shape=(9, 4)),) if layer.min_inputs == 3 else ()
        network = chain(make("layer", "input"), *before, layer, make("layer", "flatten"),
                        make("layer", "dense", units=3), loss_of("classes"))  # fmt: skip
    experiment = replace(blobs(), network=network)
    node = next(node for node in network.nodes if node.component is layer)
    for _ in range(len(node.inputs), layer.min_inputs):
        experiment = edits.add_node(experiment, make("layer", "sigmoid"))
        added = experiment.network.nodes[-1].id
        experiment = edits.connect(edits.connect(experiment, node.inputs[0], added), added, node.id)
    experiment = on(experiment, make("source", "npz", path=str(folder / "classes.npz")))
    return mended(experiment)


def mended(experiment: Experiment) -> Experiment:
    """What the checker proposes, done twice at most: a layer that needs vectors gets its Flatten."""
    for _ in range(2):
        report = check_experiment(experiment, data.load(experiment.data).signature)
        fixes = [item.fix for item in report.diagnostics if item.fix is not None]
        experiment = fixes[0].edit(experiment) if fixes else experiment
    return experiment


def info_tag(component: Component) -> str:
    return str(to_plain(component)["type"])


def loss_of(targets: str) -> Any:
    tags = {"classes": "softmax_cross_entropy", "binary": "binary_cross_entropy", "numbers": "mean_squared_error"}
    return make("loss", tags[targets])


def with_loss(loss: Any, folder: Path) -> Experiment:
    """A network whose targets suit the loss."""
    target, units = {"classes": ("classes", 3), "yes_no": ("binary", 1), "numbers": ("numbers", 2)}[loss.predicts]
    network = chain(make("layer", "input"), make("layer", "flatten"), make("layer", "dense", units=units), loss)
    experiment = replace(blobs(), network=network, training=replace(blobs().training, metrics=()))
    return on(experiment, make("source", "npz", path=str(folder / f"{target}.npz")))


def with_source(source: Any, folder: Path) -> Experiment:
    """A network that fits whatever the source yields, which is read off its signature."""
    paths = {
        "csv": {"path": "table.csv", "target": "kind"},
        "npz": {"path": "classes.npz"},
        "idx": {"images": "images.gz", "labels": "labels.gz"},
        "image_folder": {"path": "images"},
    }.get(info_tag(source), {})
    here = {key: value if key == "target" else str(folder / value) for key, value in paths.items()}
    source = replace(source, **here)
    experiment = on(blobs(), source)
    try:
        signature = data.load(experiment.data).signature
    except DataError:
        return experiment
    target = signature.targets["y"]
    size = target.classes or math.prod(target.shape)
    network = chain(
        make("layer", "input"), make("layer", "flatten"), make("layer", "dense", units=size),
        make("loss", "softmax_cross_entropy" if target.classes else "mean_squared_error"),
    )  # fmt: skip
    return replace(experiment, network=network, training=replace(experiment.training, metrics=()))


def with_component(component: Any, folder: Path) -> Experiment:
    """An experiment in which the component takes part."""
    base = blobs()
    training = base.training
    match component.kind:
        case "layer":
            return with_layer(component, folder)
        case "loss":
            return with_loss(component, folder)
        case "source":
            return with_source(component, folder)
        case "preprocessing":
            numbers = info_tag(component) == "standardize_targets"
            archive = "numbers.npz" if numbers else "codes.npz" if info_tag(component) == "one_hot" else "classes.npz"
            source = make("source", "npz", path=str(folder / archive))
            experiment = with_loss(loss_of("numbers" if numbers else "classes"), folder)
            return on(experiment, source, component)
        case "augmentation":
            experiment = with_loss(loss_of("classes"), folder)
            return replace(experiment, data=replace(experiment.data, augmentation=(component,)))
        case "metric":
            regression = not component.suits(lookup("loss", "softmax_cross_entropy"))
            experiment = with_loss(loss_of("numbers" if regression else "classes"), folder)
            return replace(experiment, training=replace(experiment.training, metrics=(component,)))
        case "initializer":
            return edits.set_field(base, "dense_1", "weight_init", component)
        case "stopping":
            return replace(base, training=replace(training, stopping=(component,)))
        case "penalty":
            return replace(base, training=replace(training, penalties=(component,)))
        case "optimizer" | "schedule" | "warmup" | "clipping" | "averaging":
            return replace(base, training=replace(training, **{component.kind: component}))
    raise AssertionError(f"this test does not know how a {component.kind} takes part in training")


@every_component
def test_it_trains_two_steps(info: ComponentInfo, arrays: Path) -> None:
    assert two_steps(with_component(info.cls(), arrays)) == "done"


@every_component
def test_it_trains_or_is_refused_in_words_at_the_edges_of_its_bounds(info: ComponentInfo, arrays: Path) -> None:
    limit = AFFORDABLE_DATA if info.kind == "source" else AFFORDABLE
    outcomes = [two_steps(with_component(value, arrays)) for value in variants(info, info.cls(), limit)]
    assert not outcomes or "done" in outcomes


def test_the_walk_reaches_every_edge() -> None:
    dense = next(info for info in INFOS if (info.kind, info.tag) == ("layer", "dense"))
    found = list(variants(dense, dense.cls()))
    assert [node.units for node in found[:2]] == [1, AFFORDABLE]  # type: ignore[attr-defined]
    assert {value.use_bias for value in found} == {False, True}  # type: ignore[attr-defined]
    assert isinstance(Node(id="a", component=found[0]).component, Component)  # type: ignore[arg-type]
