"""What experiments of earlier versions of the file format become in the present one; plain JSON types throughout."""

from __future__ import annotations

from typing import Any

__all__ = ["clipping_of", "name_the_clipping", "stored"]


def name_the_clipping(plain: Any) -> Any:
    """From version 1: the number `training.clip_norm`, 0 for none, becomes the component `training.clipping`."""
    training = plain.get("training") if isinstance(plain, dict) else None
    if not isinstance(training, dict) or "clip_norm" not in training or "clipping" in training:
        return plain
    training = {
        "clipping" if name == "clip_norm" else name: clipping_of(value) if name == "clip_norm" else value
        for name, value in training.items()
    }
    return {**plain, "training": training}


def clipping_of(clip_norm: Any) -> dict[str, Any]:
    """The clipping that the number stood for."""
    return {"type": "global_norm", "max_norm": clip_norm} if clip_norm != 0 else {"type": "none"}


def stored(plain: Any) -> Any:
    """An experiment that a run keeps without the number of its version: what is of the present one stays as it is."""
    return name_the_clipping(plain)
