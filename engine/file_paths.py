"""The paths to data that an experiment holds, and what they are relative to.

In memory paths are absolute, so that a run is the same from whatever folder it is resumed. In a file the data that lie
in the file's own folder, or below it, are named relative to that folder: the folder can be moved, or handed to others,
as a whole.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import PurePath, PureWindowsPath

from msgspec.structs import replace

from engine.experiment import Experiment
from engine.schema import Unknown, fields_of

__all__ = ["anchored", "portable"]


def anchored(experiment: Experiment, folder: str | os.PathLike[str]) -> Experiment:
    """The experiment with every relative path made absolute, starting from `folder`. “~” stays: it means the home of
    whoever reads it."""

    def anchor(text: str) -> str:
        if text.startswith("~") or os.path.isabs(text) or PureWindowsPath(text).is_absolute():
            return text
        # Not normalized: “..” after a link leads elsewhere than its letters say.
        return os.path.join(os.path.abspath(folder), text.removeprefix("./"))

    return _with_paths(experiment, anchor)


def portable(experiment: Experiment, folder: str | os.PathLike[str]) -> Experiment:
    """The experiment with the paths that lead into `folder` made relative to it, written with slashes."""
    base = PurePath(os.path.abspath(folder))

    def shorten(text: str) -> str:
        path = PurePath(text)
        inside = path.is_absolute() and path != base and path.is_relative_to(base)
        if not inside:
            return text
        short = path.relative_to(base).as_posix()
        return f"./{short}" if short.startswith("~") else short  # a file of that name is nobody's home

    return _with_paths(anchored(experiment, "."), shorten)


def _with_paths(experiment: Experiment, change: Callable[[str], str]) -> Experiment:
    source = experiment.data.source
    if isinstance(source, Unknown):
        return experiment
    found = {spec.name: getattr(source, spec.name) for spec in fields_of(type(source)) if spec.kind == "path"}
    changed = {name: change(text) for name, text in found.items() if text}
    if all(found[name] == text for name, text in changed.items()):
        return experiment
    return replace(experiment, data=replace(experiment.data, source=replace(source, **changed)))
