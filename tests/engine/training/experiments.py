"""Small experiments for the tests of training: sequential networks on points in the plane."""

from collections.abc import Callable, Sequence
from typing import Any

from msgspec.structs import replace

from engine.data.preprocessing import StandardizeTargets
from engine.data.sources import Regression, Spirals
from engine.experiment import DataSpec, Experiment, NetworkSpec, Node, SplitSpec, TrainingSpec
from engine.layers import BatchNorm, Dense, Dropout, Input, ReLU, Tanh
from engine.layers.base import NodeComponent
from engine.losses import MeanSquaredError, SoftmaxCrossEntropy
from engine.metrics import Accuracy, MeanAbsoluteError
from engine.optimizers import SGD
from engine.schedules import ConstantSchedule, NoWarmup
from engine.schema import info_of
from engine.training.events import Event, StepRow, StepRows
from engine.training.result import Result
from engine.training.trainer import Trainer
from tests.support.runs import steps_of


def sequential(components: Sequence[NodeComponent]) -> NetworkSpec:
    """A chain of nodes, named "dense_1", "dense_2", ... by their components."""
    nodes: list[Node] = []
    counts: dict[str, int] = {}
    for component in components:
        tag = info_of(component).tag
        counts[tag] = counts.get(tag, 0) + 1
        inputs = (nodes[-1].id,) if nodes else ()
        nodes.append(Node(id=f"{tag}_{counts[tag]}", component=component, inputs=inputs))
    return NetworkSpec(nodes=tuple(nodes))


PLAIN = sequential([Input(), Dense(units=8), Tanh(), Dense(units=2), SoftmaxCrossEntropy()])
RICH = sequential(
    [
        Input(),
        Dense(units=12),
        BatchNorm(),
        ReLU(),
        Dropout(rate=0.25),
        Dense(units=8),
        Tanh(),
        Dropout(rate=0.1),
        Dense(units=2),
        SoftmaxCrossEntropy(),
    ]
)


def spiral(network: NetworkSpec = PLAIN, samples: int = 110, **training: Any) -> Experiment:
    """Two spirals; with 110 samples a training part of 88: batches of 16 leave a tail of 8, six steps an epoch."""
    spec = TrainingSpec(
        optimizer=SGD(learning_rate=0.1), schedule=ConstantSchedule(), warmup=NoWarmup(), epochs=3, batch_size=16,
        metrics=(Accuracy(),),
    )  # fmt: skip
    data = DataSpec(source=Spirals(samples=samples), split=SplitSpec(validation=0.2))
    return Experiment(name="Spiral", data=data, network=network, training=replace(spec, **training), seed=3)


def regression(**training: Any) -> Experiment:
    """One number from one number."""
    network = sequential([Input(), Dense(units=8), Tanh(), Dense(units=1), MeanSquaredError()])
    spec = TrainingSpec(
        optimizer=SGD(learning_rate=0.05), schedule=ConstantSchedule(), warmup=NoWarmup(), epochs=3, batch_size=16,
        metrics=(MeanAbsoluteError(),),
    )  # fmt: skip
    data = DataSpec(
        source=Regression(samples=60), split=SplitSpec(validation=0.2), preprocessing=(StandardizeTargets(),)
    )
    return Experiment(name="Sine", data=data, network=network, training=replace(spec, **training), seed=3)


class Log(list[Event]):
    """Collects a run's events. Usable as `report`."""

    def __call__(self, event: Event) -> None:
        self.append(event)

    def of(self, kind: type[Any]) -> list[Any]:
        """The events of one type, in order; `StepRow` means the steps of all `StepRows`."""
        if kind is StepRow:
            return [step for event in self if isinstance(event, StepRows) for step in steps_of(event)]
        return [event for event in self if isinstance(event, kind)]

    def names(self) -> list[str]:
        """The names of the rare events, in order."""
        return [type(event).__name__ for event in self if event.lane == "event"]


def train(experiment: Experiment, report: Callable[[Event], None] = lambda event: None, **more: Any) -> Result:
    """A whole run on the CPU, with arrays unless another executor is asked for."""
    return Trainer(experiment, device="cpu", report=report, **{"executor": "array", **more}).run()


def weights(trainer: Trainer) -> dict[str, bytes]:
    """The bits of everything that training changes."""
    assert trainer.loop is not None
    return {name: array.tobytes() for name, array in trainer.loop.state.to_host().items()}
