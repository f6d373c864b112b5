"""The side panels: the selected layer, training, data and notes. They show the document and edit it, step by step."""

from lab.inspector.data import DataInspector
from lab.inspector.layer import LayerInspector
from lab.inspector.notes import NotesInspector
from lab.inspector.training import TrainingInspector

__all__ = ["DataInspector", "LayerInspector", "NotesInspector", "TrainingInspector"]
