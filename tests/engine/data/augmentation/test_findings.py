"""What is said about a list of augmentations that cannot be, and how it is mended."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from engine import edits, files
from engine.data.signature import DataSignature, TargetSignature
from engine.diagnostics import Diagnostic
from engine.experiment import Experiment
from engine.graph import check_experiment
from engine.paths import get_path, set_path
from engine.schema import Unknown
from tests.support.examples import blobs, chain, make

IMAGES = DataSignature(inputs={"x": (8, 8, 1)}, targets={"y": TargetSignature(classes=3)}, train_size=40)
TABLE = DataSignature(inputs={"x": (2,)}, targets={"y": TargetSignature(classes=3)}, train_size=40)


def experiment(*steps: tuple[str, dict[str, Any]], flat: bool = False) -> Experiment:
    network = blobs().network
    if not flat:
        network = chain(
            make("layer", "input"), make("layer", "flatten"), make("layer", "dense", units=3),
            make("loss", "softmax_cross_entropy"),
        )  # fmt: skip
    data = replace(blobs().data, augmentation=tuple(make("augmentation", tag, **values) for tag, values in steps))
    return replace(blobs(), data=data, network=network)


def findings(experiment: Experiment, signature: DataSignature) -> list[Diagnostic]:
    return [item for item in check_experiment(experiment, signature).diagnostics if "augmentation" in item.field]


def test_images_may_be_changed_in_every_way() -> None:
    from engine.schema import components_of

    every = experiment(*((tag, {}) for tag in components_of("augmentation")))
    assert check_experiment(every, IMAGES).ok and not findings(every, IMAGES)


@pytest.mark.parametrize("tag", ["horizontal_flip", "shift", "rotate", "cutout", "brightness"])
def test_what_is_for_images_alone_is_removed_from_tables(tag: str) -> None:
    found = experiment(("gaussian_noise", {}), (tag, {}), flat=True)
    (item,) = findings(found, TABLE)
    assert item.severity == "error" and item.field == "data.augmentation[1]"
    assert "height × width × channels" in item.message
    assert item.fix is not None and item.fix.label.startswith("Remove ")
    mended = item.fix.edit(found)
    assert [type(step).__name__ for step in mended.data.augmentation] == ["GaussianNoise"]
    assert not findings(mended, TABLE)


def test_cutmix_on_tables_becomes_mixup() -> None:
    found = experiment(("cutmix", {"probability": 0.5, "each": "sample"}), ("mixup", {}), flat=True)
    (item,) = findings(found, TABLE)
    assert item.fix is not None and item.fix.label == "Use Mixup"
    mended = item.fix.edit(found)
    assert mended.data.augmentation[0] == make("augmentation", "mixup", probability=0.5, each="sample")
    assert not findings(mended, TABLE)


def test_what_never_happens_is_not_found_fault_with() -> None:
    assert not findings(experiment(("cutmix", {"probability": 0.0}), flat=True), TABLE)


@pytest.mark.parametrize(("tag", "low", "high"), [("scale", 1.5, 2.0), ("random_erasing", 0.125, 0.25)])
def test_a_contradiction_names_its_field_and_is_mended(tag: str, low: float, high: float) -> None:
    found = experiment((tag, {"smallest": high, "largest": low}))
    (item,) = findings(found, IMAGES)
    assert item.field == "data.augmentation[0].largest" and f"{low:g}" in item.message and f"{high:g}" in item.message
    assert item.fix is not None
    mended = item.fix.edit(found)
    assert mended.data.augmentation == (make("augmentation", tag, smallest=low, largest=high),)
    assert not findings(mended, IMAGES)


def test_a_loss_that_takes_one_class_refuses_mixed_ones() -> None:
    network = chain(
        make("layer", "input"), make("layer", "flatten"), make("layer", "dense", units=3), make("loss", "hinge")
    )
    found = replace(experiment(("shift", {}), ("mixup", {})), network=network)
    (item,) = findings(found, IMAGES)
    assert item.field == "data.augmentation[1]" and "one class" in item.message and item.fix is not None
    mended = item.fix.edit(found)
    assert [type(step).__name__ for step in mended.data.augmentation] == ["Shift"]
    assert not findings(mended, IMAGES)


def test_token_numbers_are_not_to_be_changed() -> None:
    network = chain(
        make("layer", "input"), make("layer", "embedding", vocabulary=10, width=4), make("layer", "flatten"),
        make("layer", "dense", units=3), make("loss", "softmax_cross_entropy"),
    )  # fmt: skip
    base = experiment(("gaussian_noise", {}))
    found = replace(base, network=network, data=replace(base.data, preprocessing=()))
    tokens = DataSignature(inputs={"x": (6,)}, targets={"y": TargetSignature(classes=3)}, train_size=40)
    (item,) = findings(found, tokens)
    assert "token numbers" in item.message and item.fix is not None
    assert check_experiment(item.fix.edit(found), tokens).ok


def test_a_target_that_is_read_in_two_ways_cannot_be_mixed() -> None:
    two = DataSignature(inputs={"x": (2,)}, targets={"y": TargetSignature(classes=2)}, train_size=40)
    base = experiment(("mixup", {}), flat=True)

    base = edits.set_field(base, "dense_2", "units", 2)
    base = edits.add_node(base, make("layer", "dense", units=1))
    base = edits.connect(base, "relu_1", base.network.nodes[-1].id)
    head = base.network.nodes[-1].id
    base = edits.add_node(base, make("loss", "binary_cross_entropy"))
    base = edits.connect(base, head, base.network.nodes[-1].id)
    (item,) = findings(base, two)
    assert "yes or no" in item.message and item.fix is not None
    assert check_experiment(item.fix.edit(base), two).ok


def test_an_unknown_augmentation_is_told_and_kept() -> None:
    unknown = Unknown(of_kind="augmentation", tag="solarize", plain={"type": "solarize", "threshold": 3})
    found = replace(experiment(), data=replace(experiment().data, augmentation=(unknown,)))
    assert "does not know the augmentation “solarize”" in check_experiment(found, IMAGES).diagnostics[0].message
    assert files.loads(files.dumps(found)) == found


def test_paths_reach_the_list() -> None:
    found = experiment(("rotate", {}), ("mixup", {}))
    changed = set_path(found, "data.augmentation[0].degrees", 30)
    assert get_path(changed, "data.augmentation[0].degrees") == 30.0
    assert set_path(found, "data.augmentation", [{"type": "cutout", "size": 2}]).data.augmentation == (
        make("augmentation", "cutout", size=2),
    )
    assert files.loads(files.dumps(changed)) == changed


def test_files_from_before_have_no_augmentation() -> None:
    import json

    plain = json.loads(files.dumps(experiment()))
    del plain["experiment"]["data"]["augmentation"]
    assert files.loads(json.dumps(plain)).data.augmentation == ()


def test_augmentation_loads_no_data_again() -> None:
    from engine import data

    plain, augmented = experiment(flat=True), experiment(("mixup", {}), flat=True)
    assert data.load(plain.data) is data.load(augmented.data)
    assert np.isfinite(data.load(plain.data).train.arrays["x"]).all()
