"""What of an experiment a run trains: whether two differ in that, and a live change of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.experiment import Experiment
    from lab.session import Session

__all__ = ["changed", "edited_since_run", "substance"]


def edited_since_run(experiment: Experiment, session: Session) -> bool:
    """Whether a document's experiment differs from the one that the session's run trains (names, notes and places on
    the canvas aside)."""
    run = session.effective
    if run is None or run is experiment:
        return False
    return substance(run) != substance(experiment)


def changed(experiment: Experiment, path: str, value: Any) -> Experiment:
    """An experiment with another value of a live field. Raises SchemaError, in words."""
    from engine.training.live import change

    return change(experiment, path, value)[0]


def substance(experiment: Experiment) -> tuple[Any, ...]:
    """What two experiments that train alike have in common: all but names, notes and places on the canvas."""
    nodes = tuple((node.id, node.component, node.inputs, node.bypass) for node in experiment.network.nodes)
    return nodes, experiment.network.blocks, experiment.data, experiment.training, experiment.seed
