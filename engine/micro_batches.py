"""The parts that a batch goes through the network in, when gradients are accumulated."""

from __future__ import annotations

from engine.experiment import TrainingSpec

__all__ = ["micro_batches"]


def micro_batches(training: TrainingSpec, batch_size: int) -> tuple[int, ...]:
    """The sizes of the parts that a batch goes through the network in. All but the last are the full batch's size
    over `accumulate`, rounded up, so that an incomplete batch makes fewer parts of the same size."""
    size = -(-training.batch_size // training.accumulate)
    whole, rest = divmod(batch_size, size)
    return (size,) * whole + ((rest,) if rest else ())
