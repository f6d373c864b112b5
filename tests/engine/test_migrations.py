"""Experiments of earlier versions of the file format."""

import json
from typing import Any

import pytest

from engine.clipping import ClipByGlobalNorm, NoClipping
from engine.files import FileError, dumps, loads
from engine.kinds import Clipping
from engine.migrations import name_the_clipping, stored
from tests.support.examples import blobs


def of_version_1(**training: Any) -> str:
    """A file as the first version wrote it: a number for the clipping, and nothing of what came later."""
    document = json.loads(dumps(blobs()))
    for name in ("clipping", "averaging", "groups"):
        del document["experiment"]["training"][name]
    document["experiment"]["training"] |= training
    return json.dumps(document | {"version": 1})


@pytest.mark.parametrize(("clip_norm", "clipping"), [(0.0, NoClipping()), (2.5, ClipByGlobalNorm(max_norm=2.5))])
def test_the_number_becomes_the_clipping_that_it_stood_for(clip_norm: float, clipping: Clipping) -> None:
    loaded = loads(of_version_1(clip_norm=clip_norm))
    assert loaded.training.clipping == clipping
    assert json.loads(dumps(loaded))["version"] == 2
    assert loads(dumps(loaded)) == loaded


def test_a_file_without_the_number_has_no_clipping() -> None:
    assert loads(of_version_1()) == blobs()


@pytest.mark.parametrize(("value", "words"), [(-1.0, "training.clipping.max_norm: expected more than 0"), ("x", "“x”")])
def test_a_number_that_was_wrong_is_refused_where_it_went(value: Any, words: str) -> None:
    with pytest.raises(FileError, match=words):
        loads(of_version_1(clip_norm=value))


@pytest.mark.parametrize("damaged", [None, [], {}, {"training": 3}, {"training": {"clip_norm": None}}])
def test_what_is_damaged_is_left_to_the_reader(damaged: Any) -> None:
    found = name_the_clipping(damaged)
    assert found == damaged or found == {"training": {"clipping": {"type": "global_norm", "max_norm": None}}}


def test_what_a_run_keeps_may_be_of_any_version() -> None:
    present = json.loads(dumps(blobs()))["experiment"]
    assert stored(present) == present
    earlier = json.loads(of_version_1(clip_norm=1.0))["experiment"]
    assert stored(earlier)["training"]["clipping"] == {"type": "global_norm", "max_norm": 1.0}
