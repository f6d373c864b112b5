"""What is wrong with a list of augmentations, given the data and the network's losses; see `engine.graph`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from msgspec.structs import replace

from engine.data.augmentation.affine import Scale
from engine.data.augmentation.base import AugmentationStep
from engine.data.augmentation.boxes import RandomErasing
from engine.data.augmentation.mixing import CutMix, Mixup
from engine.data.signature import DataSignature
from engine.diagnostics import Diagnostic, Fix
from engine.experiment import Experiment
from engine.kinds import Augmentation
from engine.layers.base import Loss
from engine.registry import Unknown, info_of
from engine.text import shape_text, shortened

__all__ = ["augmentation_findings"]

Item = Augmentation | Unknown


def augmentation_findings(
    experiment: Experiment,
    data: DataSignature | None,
    losses: Sequence[Loss],
    inputs: Sequence[str],
    *,
    tokens: bool = False,
) -> Iterator[Diagnostic]:
    """The findings. `losses` are those that are trained, `inputs` the arrays that the network reads; `tokens`: some of
    them hold token numbers."""
    for index, item in enumerate(experiment.data.augmentation):
        if not isinstance(item, AugmentationStep) or item.probability == 0:
            continue
        misfit = item.misfit()
        if misfit is not None:
            yield _finding(index, misfit[1], fix=_swap_fix(index, item), field=f".{misfit[0]}")
        if data is not None:
            yield from _about_inputs(index, item, [data.inputs[name] for name in inputs if name in data.inputs])
            if tokens:
                yield _finding(
                    index,
                    f"{info_of(item).label} changes numbers, and the network reads token numbers, which are names. "
                    "Remove it.",
                    fix=_remove_fix(index, item),
                )
            if item.mixes:
                yield from _about_targets(index, item, data, losses)


def _about_inputs(index: int, item: AugmentationStep, shapes: Sequence[tuple[int, ...]]) -> Iterator[Diagnostic]:
    if not item.images_only or not shapes:
        return
    images = [len(shape) == 3 for shape in shapes]
    # Of a sample that is put together from two, no input can be left out.
    if all(images) if item.mixes else any(images):
        return
    label = info_of(item).label
    found = shape_text(shapes[images.index(False)])
    if isinstance(item, CutMix):
        mixup = Mixup(each=item.each, probability=item.probability)
        yield _finding(
            index,
            f"{label} takes boxes out of images (height × width × channels), and the network is fed {found}. Remove "
            "it, or use Mixup, which mixes whatever there is.",
            fix=Fix(
                "Use Mixup", lambda value: _edited(value, lambda items: (*items[:index], mixup, *items[index + 1 :]))
            ),
        )
    else:
        yield _finding(
            index,
            f"{label} changes images (height × width × channels), and the network is fed {found}. Remove it.",
            fix=_remove_fix(index, item),
        )


def _swap_fix(index: int, item: AugmentationStep) -> Fix | None:
    """Let the larger of two bounds be the upper one."""
    if not isinstance(item, Scale | RandomErasing):
        return None
    swapped = replace(item, smallest=item.largest, largest=item.smallest)
    return Fix(
        "Swap the two", lambda value: _edited(value, lambda items: (*items[:index], swapped, *items[index + 1 :]))
    )


def _about_targets(
    index: int, item: AugmentationStep, data: DataSignature, losses: Sequence[Loss]
) -> Iterator[Diagnostic]:
    label = info_of(item).label
    forms: dict[str, set[str]] = {}
    for loss in losses:
        target = data.target(loss.target)
        if target is None or not target.classes:
            continue
        if not loss.takes_shares:
            yield _finding(
                index,
                f"{label} mixes samples of different classes, and {info_of(loss).label} takes one class, not the "
                "shares of several. Remove it, or use softmax cross-entropy.",
                fix=_remove_fix(index, item),
            )
        forms.setdefault(loss.target, set()).add("classes" if loss.predicts == "classes" else "yes or no")
    for name, found in forms.items():
        if len(found) > 1:
            yield _finding(
                index,
                f"{label} mixes the classes of “{shortened(name)}”, which one loss reads as classes and another one as "
                "yes or no. Remove it, or let all losses of this target be of one kind.",
                fix=_remove_fix(index, item),
            )


def _finding(index: int, message: str, *, field: str = "", fix: Fix | None = None) -> Diagnostic:
    return Diagnostic(node="", field=f"data.augmentation[{index}]{field}", severity="error", message=message, fix=fix)


def _remove_fix(index: int, item: AugmentationStep) -> Fix:
    label = info_of(item).label
    return Fix(f"Remove {label}", lambda value: _edited(value, lambda items: items[:index] + items[index + 1 :]))


def _edited(experiment: Experiment, edit: Callable[[tuple[Item, ...]], tuple[Item, ...]]) -> Experiment:
    data = experiment.data
    return replace(experiment, data=replace(data, augmentation=edit(data.augmentation)))
