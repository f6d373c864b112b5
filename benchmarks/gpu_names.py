"""What the sides of a measurement on a GPU are called."""

from __future__ import annotations

__all__ = ["LABELS", "OURS"]

OURS = "engine"
LABELS = {
    OURS: "engine",
    "eager": "PyTorch eager",
    "tuned": "PyTorch tuned",
    "graph": "PyTorch graph",
    "compile": "torch.compile",
}
"""By side, as tables name them."""
