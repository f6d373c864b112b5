"""How well a declared component answers what a person typed: by name, synonym, summary."""

from __future__ import annotations

import re
from collections.abc import Iterable

from engine.schema import ComponentInfo

__all__ = ["ranked", "score_of"]


def ranked(text: str, infos: Iterable[ComponentInfo]) -> list[ComponentInfo]:
    """The components that `text` finds, best first; all of them, in their order, for an empty text."""
    wanted = " ".join(text.casefold().split())
    scored = [(score_of(wanted, info), info) for info in infos]
    return [info for score, info in sorted(scored, key=lambda item: -item[0]) if score > 0]


def score_of(text: str, info: ComponentInfo) -> float:
    """How well a component answers a query (in lower case): 0 for not at all."""
    if not text:
        return 1.0
    names = [(info.label, 1.0), (info.tag.replace("_", " "), 0.95), *((name, 0.9) for name in info.synonyms)]
    best = max(_name_score(text, name.casefold()) * weight for name, weight in names)
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
    """How closely the letters of `text` stand, in order, in `name` (from the first letter on): 0 when they do not."""
    if not name.startswith(text[:1]):
        return 0.0
    position, first = -1, -1
    for letter in text:
        position = name.find(letter, position + 1)
        if position < 0:
            return 0.0
        first = position if first < 0 else first
    return len(text) / (position - first + 1)
