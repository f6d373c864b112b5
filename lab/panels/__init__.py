"""The live panels. `PANELS` lists them in the order in which a window shows them."""

from lab.panels.activation_function import ActivationFunctionPanel
from lab.panels.activations import ActivationsPanel
from lab.panels.base import Panel
from lab.panels.batch import BatchPanel
from lab.panels.checks import ChecksPanel
from lab.panels.confusion import ConfusionPanel
from lab.panels.data import DataPanel
from lab.panels.gradients import GradientsPanel
from lab.panels.learning_rate import LearningRatePanel
from lab.panels.loss import LossPanel
from lab.panels.metrics import MetricsPanel
from lab.panels.step_time import StepTimePanel
from lab.panels.surface import SurfacePanel
from lab.panels.timeline import Timeline
from lab.panels.updates import UpdatesPanel
from lab.panels.weights import WeightsPanel

__all__ = [
    "PANELS",
    "GradientsPanel",
    "LearningRatePanel",
    "LossPanel",
    "MetricsPanel",
    "Panel",
    "Timeline",
    "panel_names",
]

PANELS: tuple[type[Panel], ...] = (
    LossPanel,
    MetricsPanel,
    ActivationsPanel,
    GradientsPanel,
    UpdatesPanel,
    LearningRatePanel,
    WeightsPanel,
    ConfusionPanel,
    SurfacePanel,
    StepTimePanel,
    BatchPanel,
    ActivationFunctionPanel,
    ChecksPanel,
    DataPanel,
)


def panel_names() -> tuple[str, ...]:
    """The names by which panels are called on the command line."""
    return tuple(panel.name for panel in PANELS)
