"""How well a declared component answers what a person typed: by name, synonym, summary."""

from __future__ import annotations

import re
from collections.abc import Iterable

from engine.schema import ComponentInfo

__all__ = ["WHOLE_SYNONYM", "ranked", "score_of"]

WHOLE_SYNONYM = 90.0
"""What a component scores whose other name was typed in full; no less than this means that a whole name was typed."""

LOOSEST = 0.4


def ranked(text: str, infos: Iterable[ComponentInfo]) -> list[ComponentInfo]:
    """The components that `text` finds, best first; all of them, in their order, for an empty text."""
    wanted = " ".join(text.casefold().split())
    scored = [(score_of(wanted, info), info) for info in infos]
    return [info for score, info in sorted(scored, key=lambda item: -item[0]) if score > 0]


def score_of(text: str, info: ComponentInfo) -> float:
    """How well a component answers a query (in lower case): 0 for not at all."""
    if not text:
        return 1.0
    best = max(_name_score(text, info.label.casefold()), 0.95 * _name_score(text, info.tag.replace("_", " ")))
    for name in info.synonyms:
        # The beginning of another name counts less than a word of its own one: "norm" means BatchNorm before anything
        # that is also called "normalized ...".
        score = _name_score(text, name.casefold())
        best = max(best, WHOLE_SYNONYM if score == 100.0 else 0.65 * score)
    if best:
        return best
    if len(text) >= 3 and (text in info.summary.casefold() or text in info.group.casefold()):
        return 5.0
    return 0.0


def _name_score(text: str, name: str) -> float:
    if text == name:
        return 100.0
    if name.startswith(text):
        return 80.0 + 10.0 * len(text) / len(name)
    words = re.split(r"[\s\-_/()]+", name)
    if any(word.startswith(text) for word in words):
        return 60.0
    squeezed, bare = text.replace(" ", ""), "".join(words)
    if bare.startswith(squeezed):
        return 55.0
    if text in name:
        return 40.0
    return 20.0 * _spread(squeezed, bare) if len(squeezed) >= 2 else 0.0


def _spread(text: str, name: str) -> float:
    """How closely the letters of `text` stand, in order, in `name` (from the first letter on): 0 when they do not, or
    so far apart that nobody can have meant it."""
    if not name.startswith(text[:1]):
        return 0.0
    position, first = -1, -1
    for letter in text:
        position = name.find(letter, position + 1)
        if position < 0:
            return 0.0
        first = position if first < 0 else first
    closeness = len(text) / (position - first + 1)
    return closeness if closeness >= LOOSEST else 0.0
