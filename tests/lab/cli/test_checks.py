"""The checks before training, called as a person calls them."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from msgspec.structs import replace

from engine import edits, presets
from engine.files import save
from tests.support.command import complaint, descent
from tests.support.examples import make


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    path = tmp_path / "digits.dlab"
    save(presets.make("digits-baseline"), path)
    return path


def test_the_first_loss(digits: Path) -> None:
    called = descent("initial-loss", digits)
    assert called.status == 0 and called.err == ""
    assert "2.303" in called.out and "softmax_cross_entropy_1" in called.out
    found = descent("initial-loss", digits, "--json").json
    assert found["heads"][0]["expected"] == pytest.approx(math.log(10)) and found["severity"] in (
        "ok",
        "info",
        "warning",
    )


def test_fields_are_changed_first(digits: Path) -> None:
    before, after = (
        descent("summary", digits, "--json", *more).json for more in ((), ("--set", "nodes.dense_1.units=7"))
    )
    assert (before["parameters"], after["parameters"]) == (7510, 64 * 7 + 7 + 7 * 10 + 10)
    one = descent("summary", digits, "--set", "nodes.relu_1.bypass=true", "--set", "nodes.dense_1.bypass=true").out
    assert "1 layer deep" in one
    assert "there is no node “dense_9”" in complaint("lr-range", digits, "--set", "nodes.dense_9.units=7")


def test_a_first_loss_far_off_is_status_1(digits: Path) -> None:
    experiment = edits.set_field(
        presets.make("digits-baseline"), "dense_2", "weight_init", make("initializer", "normal", std=2.0)
    )
    save(experiment, digits)
    called = descent("initial-loss", digits)
    assert called.status == 1 and "too large" in called.out


def test_learning_by_heart(digits: Path) -> None:
    called = descent("overfit", digits, "--samples", "10")
    assert called.status == 0 and "10 samples are known by heart" in called.out
    assert descent("overfit", digits, "--steps", "3").status in (0, 1)
    found = descent("overfit", digits, "--json").json
    assert found["reached"] is True and len(found["losses"]) == len(found["accuracy"])


def test_the_range_of_learning_rates(digits: Path) -> None:
    called = descent("lr-range", digits, "--steps", "80")
    assert called.status == 0 and "falls fastest at" in called.out and "SMOOTHED" in called.out
    found = descent("lr-range", digits, "--steps", "80", "--json").json
    assert found["rates"][0] == pytest.approx(1e-5) and found["steepest"] > 1e-3


@pytest.mark.parametrize("arguments", ["--low 1 --high 0.1", "--low 0", "--high 1e9", "--low nan", "--low x"])
def test_a_range_that_is_none_is_refused(digits: Path, arguments: str) -> None:
    words = complaint("lr-range", digits, *arguments.split())
    assert "expected" in words and arguments.split()[0].strip("-") in words


def test_gradients(digits: Path) -> None:
    called = descent("gradient-check", digits, "--entries", "3")
    assert called.status == 0 and "agree" in called.out and "dense_1/weight" in called.out
    found = descent("gradient-check", digits, "--entries", "3", "--json").json
    assert all(item["checked"] + item["kinks"] == 3 for item in found["arrays"])
    assert "--step" in complaint("gradient-check", digits, "--step", "0")


def test_the_summary(digits: Path) -> None:
    called = descent("summary", digits)
    assert called.status == 0 and "7,510 parameters" in called.out and "weight 64 × 100" in called.out
    found = descent("summary", digits, "--json").json
    assert found["parameters"] == 7510 and found["depth"] == 2


@pytest.mark.parametrize("command", ["summary", "initial-loss", "overfit", "lr-range", "gradient-check"])
def test_a_network_that_cannot_be_trained_is_refused_in_words(digits: Path, command: str) -> None:
    experiment = presets.make("digits-baseline")
    nodes = tuple(node for node in experiment.network.nodes if not node.id.startswith("softmax"))
    save(replace(experiment, network=replace(experiment.network, nodes=nodes)), digits)
    assert "no loss" in complaint(command, digits)
