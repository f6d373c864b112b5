"""The registry as text and as data."""

from __future__ import annotations

import pytest

from engine.file_schema import file_schema
from engine.schema import all_components, fields_of, kinds
from tests.support.command import complaint, descent


def test_every_component_with_every_field_as_data() -> None:
    found = descent("components", "--json").json
    infos = list(all_components())
    assert [(item["kind"], item["type"]) for item in found] == [(info.kind, info.tag) for info in infos]
    for item, info in zip(found, infos, strict=True):
        assert item["source"] == info.source
        specs = fields_of(info.cls)
        assert [field["name"] for field in item["fields"]] == [spec.name for spec in specs]
        assert [field["help"] for field in item["fields"]] == [spec.help for spec in specs]
    dense = next(item for item in found if item["type"] == "dense")
    units = dense["fields"][0]
    assert (units["name"], units["type"], units["default"], units["required"]) == ("units", "int", 128, False)
    assert (units["minimum"], units["maximum"], units["exclusive_minimum"]) == (1, 65536, False)
    nested = next(field for field in dense["fields"] if field["type"] == "component")
    assert nested["component_kind"] == "initializer"
    assert nested["default"]["type"] in {item["type"] for item in found if item["kind"] == "initializer"}


@pytest.mark.parametrize("kind", kinds())
def test_one_kind_only(kind: str) -> None:
    found = descent("components", "--kind", kind, "--json").json
    assert {item["kind"] for item in found} == {kind}


def test_every_component_as_text() -> None:
    text = descent("components").out
    for info in all_components():
        assert f"{info.kind} {info.tag}  –  {info.label}" in text
    assert "units (whole number, at least 1 and at most 65536, default 128)" in text


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ("kaiming", "he"), ("SiLU", "swish"), ("weight decay", "weight_decay"), ("L2", "l2"), ("cosine", "cosine"),
        ("early stopping", "early_stopping"), ("batch norm", "batch_norm"), ("gelu", "gelu"), ("softmax", "softmax"),
        ("lasso", "l1"), ("SGDR", "cosine_restarts"), ("EMA", "ema"), ("PCA", "pca"), ("glorot", "xavier"),
    ],
)  # fmt: skip
def test_words_find_what_is_called_so(words: str, first: str) -> None:
    found = descent("components", *words.split(), "--json").json
    assert found[0]["type"] == first


def test_words_and_a_kind_together_and_words_that_find_nothing() -> None:
    text = descent("components", "weight", "decay", "--kind", "optimizer").out
    assert text.startswith("optimizer adamw") and "Also found by: weight decay" in text
    assert "penalty weight_decay" not in text
    assert complaint("components", "adabelief").startswith("nothing is found by “adabelief”")


def test_a_kind_that_does_not_exist() -> None:
    assert complaint("components", "--kind", "layers") == "there is no kind “layers”; did you mean “layer”?"
    assert "the kinds are " in complaint("components", "--kind", "zzz")


def test_the_schema() -> None:
    assert descent("schema").json == file_schema()
