"""The JSON Schema of files: what is saved conforms, and what the loader refuses does not."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from engine.file_schema import file_schema
from engine.files import FileError, dumps, loads
from engine.presets import make as preset
from engine.presets import presets
from engine.schema import all_components
from tests.support.examples import blobs
from tests.support.json_schema import violations

SCHEMA = json.loads(json.dumps(file_schema(), allow_nan=False))


@pytest.mark.parametrize("name", [item.name for item in presets()])
def test_every_preset_conforms(name: str) -> None:
    assert violations(json.loads(dumps(preset(name))), SCHEMA) == []


def test_every_component_is_described() -> None:
    for info in all_components():
        described = SCHEMA["$defs"][f"{info.kind}.{info.tag}"]
        assert described["description"] == info.summary
        assert described["properties"]["type"] == {"const": info.tag}
        assert all(item.get("description") for name, item in described["properties"].items() if name != "type")


@pytest.mark.parametrize(
    "edit",
    [
        lambda d: d.update(version=99),
        lambda d: d.update(format="x"),
        lambda d: d.update(more=1),
        lambda d: d.pop("experiment"),
        lambda d: d["experiment"].pop("training"),
        lambda d: d["experiment"].update(seed=-1),
        lambda d: d["experiment"].update(name=3),
        lambda d: d["experiment"]["network"]["nodes"][1].update(units=0),
        lambda d: d["experiment"]["network"]["nodes"][1].update(units=1.5),
        lambda d: d["experiment"]["network"]["nodes"][1].update(use_bias=1),
        lambda d: d["experiment"]["network"]["nodes"][1].update(unit=1),
        lambda d: d["experiment"]["network"]["nodes"][1].update(position=[1]),
        lambda d: d["experiment"]["network"]["nodes"][1].update(id="a/b"),
        lambda d: d["experiment"]["network"]["nodes"][1].pop("id"),
        lambda d: d["experiment"]["training"]["optimizer"].update(learning_rate=0),
        lambda d: d["experiment"]["training"]["optimizer"].pop("type"),
        lambda d: d["experiment"]["training"].update(precision="float16"),
        lambda d: d["experiment"]["training"].update(penalties=[{}]),
        lambda d: d["experiment"]["data"].pop("source"),
    ],
)
def test_what_the_loader_refuses_does_not_conform(edit: Any) -> None:
    document = json.loads(dumps(blobs()))
    assert violations(document, SCHEMA) == []
    broken = copy.deepcopy(document)
    edit(broken)
    assert violations(broken, SCHEMA) != []
    with pytest.raises(FileError):
        loads(json.dumps(broken))
