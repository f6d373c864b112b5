"""A stored run as the window shows it: the same bounded columns as a live one, read from the run store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from engine.experiment import Experiment
from engine.training.events import (
    Changed,
    Confusion,
    EpochEnd,
    Event,
    Finished,
    FirstLayer,
    Frame,
    RateDropped,
    Started,
    Surface,
)
from lab.live import LiveHistory, Moment

if TYPE_CHECKING:
    from engine.training.store import RunReader

__all__ = ["StoredRun", "moment_of", "stored_history"]

PICTURES = (Frame, Surface, Confusion, FirstLayer)


class StoredRun(Struct, frozen=True, kw_only=True):
    """One run of the store. `label` is what a legend calls it."""

    run: str
    label: str
    experiment: Experiment
    history: LiveHistory
    events: tuple[Event, ...] = ()
    last: Moment | None = None
    """What was seen last: of a run that was stopped, later than the last epoch's end."""
    started: Started | None = None
    finished: Finished | None = None


def stored_history(reader: RunReader, *, label: str = "", up_to: int | None = None) -> StoredRun:
    """Read a run. `up_to` leaves out what came after that step, as when a run is resumed from there."""
    history = LiveHistory()
    columns = reader.steps()
    if up_to is not None:
        kept = columns["step"] <= up_to
        columns = {name: values[kept] for name, values in columns.items()}
    history.add_columns(columns)
    events = tuple(event for event in reader.events() if up_to is None or event.step <= up_to)
    frames = (frame for frame in reader.frames() if up_to is None or frame.step <= up_to)
    pictures: list[Event] = [*frames, *(event for event in events if isinstance(event, PICTURES))]
    pictures.sort(key=lambda event: event.step)
    seen: dict[type[Event], Any] = {}
    position = 0
    for epoch in reader.epochs():
        if up_to is not None and epoch.step > up_to:
            break
        while position < len(pictures) and pictures[position].step <= epoch.step:
            seen[type(pictures[position])] = pictures[position]
            position += 1
        history.add_epoch(epoch, moment_of(epoch, seen))
    for picture in pictures[position:]:
        seen[type(picture)] = picture
        if isinstance(picture, Frame):
            history.add_frame(picture)
    history.changes.extend(event for event in events if isinstance(event, Changed))
    history.drops.extend(event for event in events if isinstance(event, RateDropped))
    return StoredRun(
        run=reader.run,
        label=label or reader.summary.name,
        experiment=reader.experiment,
        history=history,
        events=tuple(event for event in events if not isinstance(event, PICTURES)),
        last=_last(seen),
        started=next((event for event in reversed(events) if isinstance(event, Started)), None),
        finished=next((event for event in reversed(events) if isinstance(event, Finished)), None),
    )


def _last(seen: dict[type[Event], Any]) -> Moment | None:
    if not seen:
        return None
    return Moment(
        epoch=0,
        step=max(event.step for event in seen.values()),
        frame=seen.get(Frame),
        filters=seen.get(FirstLayer),
        surface=seen.get(Surface),
        confusion=seen.get(Confusion),
    )


def moment_of(epoch: EpochEnd, seen: dict[type[Event], Any]) -> Moment:
    """The moment of an epoch's end, from the latest events of each type."""
    return Moment(
        epoch=epoch.epoch,
        step=epoch.step,
        frame=seen.get(Frame),
        filters=seen.get(FirstLayer),
        surface=seen.get(Surface),
        confusion=seen.get(Confusion),
    )
