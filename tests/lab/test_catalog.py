"""Finding layers by name, synonym and number."""

from __future__ import annotations

import pytest

from engine.experiment import NetworkSpec
from engine.schema import components_of
from lab.catalog import build, catalog, drag_data, dragged, filled, groups, lacking_in, search
from tests.support.examples import blobs, make


def test_everything_registered_is_in_the_catalog_once():
    wanted = {*components_of("layer").values(), *components_of("loss").values()}
    assert {info.cls for info in catalog()} == wanted and len(catalog()) == len(wanted)
    assert {info.cls for infos in groups().values() for info in infos} == wanted


def test_the_groups_stand_in_the_order_of_declaration_and_losses_come_last():
    names = [
        "Core",
        "Convolution",
        "Pooling",
        "Activation",
        "Normalization",
        "Regularization",
        "Merge",
        "Shape",
        "Sequence",
        "Loss",
    ]
    assert list(groups()) == names
    assert list(groups(reversed(catalog()))) == names, "however the components come"


@pytest.mark.parametrize(
    ("query", "tag"),
    [
        ("dense", "dense"), ("fc", "dense"), ("fully", "dense"), ("linear", "dense"), ("conv", "conv2d"),
        ("bn", "batch_norm"), ("batch norm", "batch_norm"), ("mse", "mean_squared_error"), ("relu", "relu"),
        ("lrelu", "leaky_relu"), ("gap", "global_average_pool2d"), ("skip", "add"), ("RELU", "relu"),
        ("softmax", "softmax"), ("pool", "max_pool2d"), ("norm", "batch_norm"), ("residual", "add"),
        ("transformer", "self_attention"), ("sigmoid", "sigmoid"), ("logistic", "sigmoid"), ("SiLU", "swish"),
        ("cross-entropy", "softmax_cross_entropy"), ("flat", "flatten"), ("mxpl", "max_pool2d"),
    ],
)  # fmt: skip
def test_the_best_match(query, tag):
    assert search(query)[0].info.tag == tag


def test_what_a_network_lacks_is_meant_by_a_whole_name_of_it():
    lacking = lacking_in(NetworkSpec())
    assert [info.kind for info in lacking] == ["loss"] * len(lacking) and lacking
    assert lacking_in(blobs().network) == ()

    def best(query):
        return search(query, lacking=lacking)[0].info.tag

    assert [best(query) for query in ("softmax", "svm", "mse")] == [
        "softmax_cross_entropy", "hinge", "mean_squared_error",
    ]  # fmt: skip
    assert [best(query) for query in ("soft", "sigmoid", "dense", "l")] == ["softmax", "sigmoid", "dense", "layer_norm"]
    assert [match.info for match in search("", lacking=lacking)] == list(catalog())


def test_an_empty_query_finds_everything_and_nonsense_nothing():
    assert len(search("  ")) == len(catalog())
    assert search("zzzz") == []


@pytest.mark.parametrize(
    ("query", "component"),
    [
        ("dense 64", make("layer", "dense", units=64)),
        ("dropout .3", make("layer", "dropout", rate=0.3)),
        ("conv 32 5", make("layer", "conv2d", filters=32, size=5)),
        ("dense -4", make("layer", "dense")),
        ("dense 1.5", make("layer", "dense")),
        ("relu 7", make("layer", "relu")),
    ],
)
def test_numbers_fill_fields_where_they_are_allowed(query, component):
    assert search(query)[0].component == component


def test_a_filter_leaves_only_what_fits():
    found = search("", lambda component: component.max_inputs == 0)
    assert [match.info.tag for match in found] == ["input"]


def test_filled_ignores_what_is_too_much():
    assert filled(make("layer", "relu"), ["1", "2"]) == make("layer", "relu")


def test_a_drag_carries_a_component_of_the_catalog_only():
    for info in catalog():
        assert dragged(drag_data(info)) == build(info)
    for data in (b"", b"dense", b"layer/os", b"\xff", b"optimizer/adam"):
        assert dragged(data) is None
