"""What a network has to know of a data set: names, shapes and classes, but no samples."""

from __future__ import annotations

from msgspec import Struct


class TargetSignature(Struct, frozen=True, kw_only=True):
    """A target array. `classes` > 0: class indices 0 .. classes-1; `classes` == 0: numbers of `shape` per sample."""

    classes: int = 0
    shape: tuple[int, ...] = ()
    class_names: tuple[str, ...] = ()


class DataSignature(Struct, frozen=True, kw_only=True):
    """The arrays that input nodes and losses may name. Most data sets have one input, "x", and one target, "y".

    Shapes are per sample, as the network is fed them: (height, width, channels) for images, (features,) for tables.
    """

    inputs: dict[str, tuple[int, ...]]
    targets: dict[str, TargetSignature]
    train_size: int = 0
    validation_size: int = 0
    test_size: int = 0
    input_names: tuple[str, ...] = ()
    """Names of the features of a table as the network is fed them, or empty."""
    source_inputs: dict[str, tuple[int, ...]] = {}
    """Shapes in the source, of those inputs whose shape the preprocessing changes."""

    def target(self, name: str) -> TargetSignature | None:
        """The target of that name; an input by that name counts as numbers to be predicted, as an autoencoder predicts
        what it is fed. None where there is neither."""
        if name in self.targets:
            return self.targets[name]
        return TargetSignature(shape=tuple(self.inputs[name])) if name in self.inputs else None

    def known_target(self, name: str) -> TargetSignature:
        """`target` of a name that has one. Raises KeyError."""
        found = self.target(name)
        if found is None:
            raise KeyError(name)
        return found

    def source_shape(self, name: str) -> tuple[int, ...]:
        """The shape of an input's samples in the source, before preprocessing."""
        return tuple(self.source_inputs.get(name, self.inputs[name]))
