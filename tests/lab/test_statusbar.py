"""The line at the foot: saved or not, which run, and what was just done."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from lab.document import Document
from lab.statusbar import StatusBar
from tests.support.examples import blobs


@pytest.fixture
def bar(qtbot: Any) -> Iterator[StatusBar]:
    document = Document(blobs())
    made = StatusBar(document)
    qtbot.addWidget(made)
    made.show()
    yield made
    made.stop()
    document.close()


def test_it_says_whether_the_work_is_saved(bar: StatusBar, tmp_path: Path) -> None:
    document = bar.document
    assert bar.saved.text() == "New experiment" and "no file yet" in bar.saved.toolTip()
    document.apply("Change name", replace(document.experiment, name="Other"))
    assert bar.saved.text() == "Not saved"
    document.save_as(tmp_path / "a.dlab")
    assert bar.saved.text() == "a.dlab" and bar.saved.toolTip() == str(tmp_path / "a.dlab")
    bar.mark_saved()
    assert bar.saved.text().startswith("Saved ")
    bar.forget_saved()
    assert bar.saved.text() == "a.dlab"


def test_a_message_goes_after_a_while(bar: StatusBar, qtbot: Any) -> None:
    bar._timer.setInterval(10)
    bar.say("Done.")
    assert bar.message.text() == "Done." and bar.message.isVisible()
    qtbot.waitUntil(lambda: bar.message.text() == "")
    bar.set_run("Run 2 of Blobs")
    assert bar.run.text() == "Run 2 of Blobs"
