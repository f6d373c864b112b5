"""The table of activations on the command line."""

from __future__ import annotations

import json

import pytest

from tests.support.command import descent


def test_a_line_for_each() -> None:
    called = descent("activations")
    assert called.status == 0
    head, *lines = called.out.split("\n\n")[0].splitlines()
    assert head.split()[:3] == ["f(1)", "f(−1)", "f'(0)"]
    selu = next(line for line in lines if line.startswith("SELU"))
    assert selu.split() == [
        "SELU", "1.0507", "−1.1113", "1.7581", "1.7581", "−1.7581", "∞", "0.0000", "1.0000", "1.0716", "0.2382",
        "1.0000",
    ]  # fmt: skip
    assert len(lines) >= 15


def test_some_and_another_input() -> None:
    called = descent("activations", "relu", "gelu", "--mean", 1, "--std", 0.5, "--json")
    found = json.loads(called.out)
    assert [item["name"] for item in found] == ["ReLU", "GELU", "GELU (tanh)"]
    assert found[0]["layer"] == {"type": "relu"} and found[0]["high"] is None and found[0]["low"] == 0.0
    assert found[0]["mean"] == pytest.approx(1.0042, abs=1e-3)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("gellu",), "there is no activation “gellu” with a curve; did you mean “gelu”?"),
        (("softmax",), "there is no activation “softmax” with a curve; "),
        (("--std", 0), "mean and deviation must be finite numbers, the deviation more than 0"),
        (("--mean", "nan"), "mean and deviation must be finite numbers"),
    ],
)
def test_refusals(arguments: tuple[object, ...], words: str) -> None:
    called = descent("activations", *arguments)
    assert called.status == 2 and words in called.err
