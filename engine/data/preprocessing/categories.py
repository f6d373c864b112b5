"""Columns of codes: one column for each category."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from engine.data.errors import DataError
from engine.data.preprocessing.base import Outlined, PreprocessingStep
from engine.data.preprocessing.statistics import Statistics
from engine.data.preprocessing.transformation import Transformation, feature_name
from engine.schema import component, field
from engine.text import number_text, shape_text, shortened

__all__ = ["OneHot"]


@dataclass(frozen=True)
class Encoded(Transformation):
    """Puts columns of 0 and 1 in the place of columns of codes. `categories`: by column, the codes that get a column,
    and those that are known and get none."""

    features: int
    categories: dict[int, np.ndarray]
    silent: dict[int, np.ndarray]
    refuses: bool
    titles: dict[int, str]
    texts: dict[int, tuple[str, ...]]

    def apply(self, block: np.ndarray) -> np.ndarray:
        pieces, kept = [], 0
        for column, codes in self.categories.items():
            pieces.append(block[:, kept:column])
            values = block[:, column, None]
            hot = values == codes
            if self.refuses:
                known = hot.any(axis=1) | (values == self.silent[column]).any(axis=1)
                if not known.all():
                    code = number_text(float(values[~known][0, 0]))
                    raise DataError(
                        f"{self.titles[column]} holds the category {code}, which the training part does not have: set "
                        "Unseen categories of One-hot to “zeros”, or divide the samples otherwise",
                        "preprocessing",
                    )
            pieces.append(hot.astype(np.float64))
            kept = column + 1
        pieces.append(block[:, kept:])
        return np.concatenate(pieces, axis=1)

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (self.features + sum(len(codes) - 1 for codes in self.categories.values()),)

    def names(self, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(names) != self.features:
            return ()
        result: list[str] = []
        for i, name in enumerate(names):
            if i in self.categories:
                texts = self.texts.get(i, ())
                known = ((int(code), number_text(float(code))) for code in self.categories[i])
                result += [f"{name} = {texts[k] if 0 <= k < len(texts) else text}" for k, text in known]
            else:
                result.append(name)
        return tuple(result)


@component(
    "one_hot",
    label="One-hot",
    group="Tables",
    formula="x → (x = c₁, x = c₂, …), each 0 or 1, for the categories c of the training part",
    source="Hastie, Tibshirani, Friedman: The elements of statistical learning, 2nd edition (2009), section 2.2 "
    "(dummy variables)",
    synonyms=("one-hot encoding", "dummy variables", "categorical", "OneHotEncoder", "get_dummies", "indicator"),
    avoid="For codes that count or rank something (number of rooms, stage 1 to 4), whose order says something that the "
    "columns forget; and for a code that is different in nearly every row.",
    differs="scikit-learn's OneHotEncoder encodes every column that it is given and refuses categories that it has not "
    "seen; here those become zeros unless you choose otherwise. Statistics books leave out the first category, "
    "because the columns add up to 1; a network with a bias and weight decay is not hurt by it.",
)
class OneHot(PreprocessingStep, frozen=True):
    """Replace a column of codes by one column for each code, 1 where the sample has it and else 0. A network would take
    the codes for amounts: category 3 for three times category 1. The new columns stand where the old one stood."""

    columns: Annotated[
        tuple[str, ...],
        field(
            help="Names or numbers of the columns to encode. Empty: every column of text, and every column of a "
            "few different whole numbers, from 3 up to the limit."
        ),
    ] = ()
    limit: Annotated[
        int, field(ge=2, le=1000, help="The most different values that a column may have to be taken for categories.")
    ] = 20
    unseen: Annotated[
        Literal["zeros", "refuse"],
        field(
            label="Unseen categories",
            help="What becomes of a category that only samples outside of the training part have. zeros: 0 in each of "
            "the columns. refuse: say so and load nothing.",
        ),
    ] = "zeros"
    drop_first: Annotated[
        bool,
        field(help="Leave out the column of each first category, which the others determine.", advanced=True),
    ] = False

    def fit(self, training: Statistics) -> Encoded:
        if len(training.shape) != 1:
            raise DataError(
                f"one-hot encoding is for tables; these samples have the shape {shape_text(training.shape)}: take this "
                "step out"
            )
        named = [self._index(text, training) for text in self.columns]
        texts = {i: training.categories[name] for i, name in enumerate(training.names) if name in training.categories}
        found: dict[int, np.ndarray] = {}
        for start, values in training.columns():
            for i in range(values.shape[1]):
                if not named or start + i in named:
                    title = feature_name(training.names, start + i, training.shape)
                    codes = self._codes(values[:, i], title, bool(named) or start + i in texts)
                    if codes is not None:
                        found[start + i] = codes
        if not found:
            few = f"3 to {self.limit} different whole numbers" if self.limit > 3 else "3 different whole numbers"
            if self.limit == 2:
                few = "text, and whole numbers take a limit of 3 at least"
            raise DataError(
                f"no column holds {few}: name the columns to encode, or take this step out",
                "columns",
            )
        skip = int(self.drop_first)
        return Encoded(
            training.features,
            {column: codes[skip:] for column, codes in found.items()},
            {column: codes[:skip] for column, codes in found.items()},
            self.unseen == "refuse",
            {column: feature_name(training.names, column, training.shape) for column in found},
            texts,
        )

    def _codes(self, values: np.ndarray, title: str, sure: bool) -> np.ndarray | None:
        """The sorted codes of a column; None for one that does not look like codes, unless it is sure that it is."""
        codes = np.unique(values)
        whole = bool((codes == np.floor(codes)).all())
        if not sure:
            return codes if whole and 3 <= len(codes) <= self.limit else None
        if not whole:
            fraction = float(codes[codes != np.floor(codes)][0])
            raise DataError(f"{title} holds {fraction:g}; categories are coded as whole numbers", "columns")
        if len(codes) > self.limit:
            raise DataError(
                f"{title} has {len(codes):,} different values, more than the limit of {self.limit:,}: raise the limit, "
                "or leave the column as it is",
                "limit",
            )
        return codes

    def _index(self, text: str, training: Statistics) -> int:
        """The column that a name or a number (from 1) means. Raises DataError."""
        if text in training.names:
            return training.names.index(text)
        if text.strip().isdecimal() and 1 <= int(text) <= math.prod(training.shape):
            return int(text) - 1
        listed = ", ".join(f"“{shortened(name)}”" for name in training.names[:12])
        listed = listed or f"numbers from 1 to {training.features}"
        more = ", …" if len(training.names) > 12 else ""
        raise DataError(f"there is no column “{shortened(text)}”; the columns are {listed}{more}", "columns")

    def outline(self, shape: tuple[int, ...], names: tuple[str, ...]) -> Outlined | None:
        return None
