"""From the values that the network is fed to those of the source, and back: images are moved as they are in the source.

Where preprocessing treats every pixel by itself (it subtracts a mean image, say), an image moved after it is not
what preprocessing makes of a moved image: the mean image would move along. So what moves pixels takes preprocessing
back, moves, and preprocesses again.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.data.preprocessing.transformation import Affine, Linear, Transformation

__all__ = ["Pixels"]


class Pixels:
    """The preprocessing of images (height, width, channels), to be taken back and done again.

    Filled-in values stay as they were filled in.
    """

    def __init__(self, fitted: Sequence[Transformation], shape: tuple[int, ...]) -> None:
        self._chain = tuple(item for item in fitted if isinstance(item, Affine | Linear))
        self._scale, self._offset = np.ones(1), np.zeros(1)
        """Where all of it is of one factor and one term for each value: source = value x scale + offset."""
        self._single = all(isinstance(item, Affine) for item in self._chain)
        for item in self._chain:
            if isinstance(item, Affine):
                self._offset = self._offset + item.shift * self._scale
                self._scale = self._scale * item.divisor
        self.even = self._single and all(_even(array, shape) for array in (self._scale, self._offset))
        """Whether all pixels of a channel are treated alike, so that moving them changes nothing about it."""

    def level(self, value: float) -> np.ndarray:
        """What an `even` preprocessing makes of a value of the source: float32, one or one for each channel."""
        level = (value - self._offset) / self._scale
        return level.reshape(-1, level.shape[-1])[0].astype(np.float32)

    def undo(self, values: np.ndarray) -> np.ndarray:
        """Preprocessed images as they are in the source, float32."""
        if self._single:
            return values * self._scale.astype(np.float32) + self._offset.astype(np.float32)
        exact = values.astype(np.float64)
        for item in reversed(self._chain):
            exact = item.invert(exact)
        return exact.astype(np.float32)

    def redo(self, values: np.ndarray) -> np.ndarray:
        """Images of the source preprocessed, float32."""
        if self._single:
            result = values - self._offset.astype(np.float32)
            result *= (1 / self._scale).astype(np.float32)
            return result
        exact = values.astype(np.float64)
        for item in self._chain:
            exact = item.apply(exact)
        return exact.astype(np.float32)


def _even(array: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Whether an array that broadcasts to images of `shape` has the same numbers for all pixels."""
    whole = np.broadcast_to(array, shape)
    return bool((whole == whole[:1, :1]).all())
