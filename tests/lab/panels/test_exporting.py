"""Panels on file: pictures and tables of each, and words for what cannot be written."""

from __future__ import annotations

import csv
import errno
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPointF
from PySide6.QtGui import QEnterEvent, QImage
from PySide6.QtWidgets import QApplication

from lab.panels import PANELS, Panel, panel_names
from lab.panels.exporting import write_table
from lab.session import Session

Show = Callable[..., Panel]


@pytest.mark.parametrize("kind", PANELS, ids=panel_names())
def test_export(kind: type[Panel], show: Show, tmp_path: Path) -> None:
    panel = show(kind)
    for suffix in ("png", "svg", "csv"):
        panel.export(tmp_path / f"p.{suffix}")
    image = QImage(str(tmp_path / "p.png"))
    assert (image.width(), image.height()) == (840, 600)
    colours = {image.pixel(x, y) for x in range(0, image.width(), 3) for y in range(0, image.height(), 3)}
    assert len(colours) > 8
    svg = (tmp_path / "p.svg").read_text(encoding="utf-8")
    assert svg.rstrip().endswith("</svg>") and panel.title.split()[0] in svg
    with open(tmp_path / "p.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert len(rows) > 1
    assert all(len(row) == len(rows[0]) for row in rows)


def test_export_refuses_other_formats(show: Show, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="pdf"):
        show(PANELS[0]).export(tmp_path / "p.pdf")


def test_a_file_that_cannot_be_written_is_told_in_words(
    show: Show, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = show(PANELS[0])
    said: list[str] = []
    panel.refused.connect(said.append)
    target = tmp_path / "gone" / "loss.csv"
    monkeypatch.setattr("lab.panels.exporting.QFileDialog.getSaveFileName", lambda *_: (str(target), ""))
    next(action for action in panel.header.export_menu.actions() if action.data() == "csv").trigger()
    assert len(said) == 1 and "“loss.csv” could not be written" in said[0] and "No such file" in said[0]


@pytest.mark.parametrize("suffix", ["png", "svg", "csv"])
def test_on_a_full_disk_the_file_that_was_there_stays(
    show: Show, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    panel, target = show(PANELS[0]), tmp_path / f"p.{suffix}"
    target.write_bytes(b"older")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        panel.export(target)
    assert caught.value.filename == str(target)
    assert [path.name for path in tmp_path.iterdir()] == [target.name] and target.read_bytes() == b"older"


def test_an_empty_panel_is_an_empty_table(show: Show, tmp_path: Path) -> None:
    session = Session()
    panel = show(PANELS[0], session)
    panel.export(tmp_path / "p.csv")
    assert (tmp_path / "p.csv").read_text(encoding="utf-8").strip() == ""
    session.close()


def test_the_tools_are_not_in_the_picture(show: Show, qapp: QApplication, tmp_path: Path) -> None:
    panel = show(PANELS[0])
    panel.header.hide_tools()
    panel.export(tmp_path / "without.png")
    qapp.sendEvent(panel, QEnterEvent(QPointF(5, 5), QPointF(5, 5), QPointF(5, 5)))
    panel.export(tmp_path / "under-mouse.png")
    assert QImage(str(tmp_path / "without.png")) == QImage(str(tmp_path / "under-mouse.png"))
    assert panel.header.tools.isVisible(), "they are back"
    qapp.sendEvent(panel, QEvent(QEvent.Type.Leave))


def test_a_file_gets_the_suffix_that_was_asked_for(show: Show, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    panel = show(PANELS[0])
    for typed, written in (("a", "a.csv"), ("b.txt", "b.csv"), ("c.CSV", "c.CSV")):
        monkeypatch.setattr(
            "lab.panels.exporting.QFileDialog.getSaveFileName", lambda *_, name=typed: (str(tmp_path / name), "")
        )
        panel.header.exportRequested.emit("csv")
        assert (tmp_path / written).is_file()


def test_numbers_in_a_table_keep_all_their_digits(tmp_path: Path) -> None:
    value = float(np.nextafter(0.1, 1))
    write_table(tmp_path / "t.csv", (("a", "b"), [(value, "x, “y”"), (1, "")]))
    with open(tmp_path / "t.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert float(rows[1][0]) == value and rows[1][1] == "x, “y”" and rows[2] == ["1", ""]
