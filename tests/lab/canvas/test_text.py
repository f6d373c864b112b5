"""Numbers as the canvas writes them."""

from __future__ import annotations

import pytest

from engine import edits
from engine.diagnostics import Report
from engine.experiment import NetworkSpec
from engine.graph import check
from lab.canvas.text import count_text, flops_text, shape_text, summary_text
from tests.support.examples import blobs, make


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (999, "999"), (1000, "1.0k"), (18496, "18.5k"), (99_949, "99.9k"), (99_950, "100k"), (401_536, "402k"),
     (999_499, "999k"), (999_500, "1.0M"), (1_300_000, "1.3M"), (2_500_000_000, "2.5G")],
)  # fmt: skip
def test_counts(count, text):
    assert count_text(count) == text


@pytest.mark.parametrize(("shape", "text"), [((28, 28, 1), "28×28×1"), ((128,), "128"), ((), "scalar"), (None, "–")])
def test_shapes(shape, text):
    assert shape_text(shape) == text


def test_flops():
    assert [flops_text(n) for n in (12, 4_900_000, 7_000, 3 * 10**9)] == [
        "12 FLOP",
        "4.9 MFLOP",
        "7.0 kFLOP",
        "3.0 GFLOP",
    ]


def test_summary():
    network = blobs().network
    from engine.data import peek

    report = check(network, peek(blobs().data))
    assert summary_text(network, report).startswith("4 layers · 51 parameters · ")
    assert summary_text(network, report).endswith(" / sample")
    loose = edits.add_node(blobs(), make("layer", "tanh")).network
    assert summary_text(loose, check(loose, peek(blobs().data))) == "5 layers · 51 parameters · 1 problem"
    assert summary_text(network, check(network, None)) == "4 layers"
    assert summary_text(NetworkSpec(), Report(order=(), nodes={}, diagnostics=())) == "no layers yet"
