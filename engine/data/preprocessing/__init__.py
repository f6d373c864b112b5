"""Preprocessing: transformations fitted on the training part only, and applied to every part alike.

Each step is fitted on the training samples as the steps before it leave them. All arithmetic is float64; the result is
rounded to float32 once.
"""

from engine.data.preprocessing.applying import fit_all, outline_of, transformed
from engine.data.preprocessing.base import PreprocessingStep
from engine.data.preprocessing.statistics import Statistics
from engine.data.preprocessing.transformation import Affine, Transformation

# isort: split
# The order in which they are offered.
from engine.data.preprocessing.scaling import Center, Normalize, Rescale, Standardize, StandardizeTargets

# isort: split
from engine.data.preprocessing.directions import Pca, Whiten

# isort: split
from engine.data.preprocessing.categories import OneHot
from engine.data.preprocessing.missing import FillMissing

__all__ = [
    "Affine",
    "Center",
    "FillMissing",
    "Normalize",
    "OneHot",
    "Pca",
    "PreprocessingStep",
    "Rescale",
    "Standardize",
    "StandardizeTargets",
    "Statistics",
    "Transformation",
    "Whiten",
    "fit_all",
    "outline_of",
    "transformed",
]
