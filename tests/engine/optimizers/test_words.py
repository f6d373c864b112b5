"""What people call the rules finds them."""

import pytest

from engine.optimizers import AdamW
from engine.schema import all_components, info_of
from widgets.matching import ranked


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("weight decay", "adamw"),
        ("nesterov", "sgd"),
        ("heavy ball", "sgd"),
        ("stochastic gradient", "sgd"),
        ("nesterov adam", "nadam"),
        ("rectified", "radam"),
        ("rms prop", "rmsprop"),
        ("large batch", "lamb"),
        ("newton", "muon"),
        ("sign", "lion"),
        ("infinity norm", "adamax"),
    ],
)
def test_a_synonym_finds_the_rule_first(text: str, tag: str) -> None:
    found = ranked(text, [info for info in all_components() if info.kind == "optimizer"])
    assert found[0].tag == tag


def test_adamw_decays_by_default() -> None:
    assert AdamW().decoupled_decay() == 0.01 and info_of(AdamW).label == "AdamW"


def test_every_rule_says_when_not_to_use_it_and_how_others_write_it() -> None:
    for info in all_components():
        if info.kind == "optimizer":
            assert info.formula and info.avoid.endswith(".") and info.differs.endswith("."), info.tag
