"""Data: sources, division, preprocessing, batches. `load` gives a Dataset, `peek` its signature at once."""

from engine.data.batches import Batches
from engine.data.cache import forget, load, peek
from engine.data.dataset import PARTS, DataInfo, Dataset, Part, PartName, Preview
from engine.data.errors import DataError
from engine.data.signature import DataSignature, TargetSignature

__all__ = [
    "PARTS",
    "Batches",
    "DataError",
    "DataInfo",
    "DataSignature",
    "Dataset",
    "Part",
    "PartName",
    "Preview",
    "TargetSignature",
    "forget",
    "load",
    "peek",
]
