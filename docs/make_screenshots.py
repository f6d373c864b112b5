"""Makes the pictures in docs/screenshots: both themes, two sizes, three networks in training, and a batch of images.

python docs/make_screenshots.py [NAME ...]
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "screenshots"

STEPS = {"mnist-mlp": 620, "mnist-cnn": 330, "spiral-mlp": 1300}
"""How long each preset trains before its picture is taken."""
SIZES = ("1600x1000", "1280x800")
THEMES = ("dark", "light")
BATCH = ("mnist-cnn", 'data.augmentation=[{"type": "rotate"}, {"type": "shift", "pixels": 2}, {"type": "cutmix"}]')
"""The preset whose batch is drawn before and after augmentation, and the change that augments it."""


def descent(*arguments: str) -> None:
    """Run the command line of this checkout."""
    subprocess.run([sys.executable, "-m", "lab", *arguments], cwd=ROOT, check=True)


def main(names: list[str]) -> None:
    """Write every picture of the presets named, or of all."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for preset in names or STEPS:
            file = Path(folder) / f"{preset}.dlab"
            descent("new", preset, "--out", str(file))
            for theme in THEMES:
                for size in SIZES:
                    out = FOLDER / f"{preset}-{theme}-{size}.png"
                    descent(
                        "screenshot", str(file), "--out", str(out), "--size", size, "--theme", theme,
                        "--train-steps", str(STEPS[preset]),
                    )  # fmt: skip
                    sys.stdout.write(f"{out.relative_to(ROOT)}\n")
            if preset == BATCH[0]:
                for theme in THEMES:
                    out = FOLDER / f"batch-{theme}.png"
                    descent("batch", str(file), "--set", BATCH[1], "--out", str(out), "--theme", theme)
                    sys.stdout.write(f"{out.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
