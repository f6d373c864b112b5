"""Folders of images: one sub-folder for each class."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np

from engine.data.errors import DataError, check_folder, decoding, require_memory
from engine.data.raw import Raw
from engine.data.signature import TargetSignature
from engine.data.sources.base import DataSource, user_path
from engine.schema import component, field

__all__ = ["SUFFIXES", "ImageFolder"]

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
_MAX_PIXELS = 100_000_000


@component(
    "image_folder",
    label="Folder of images",
    group="Your files",
    source="Deng et al.: ImageNet: a large-scale hierarchical image database (CVPR 2009), for one folder for each "
    "class",
    synonyms=("png", "jpeg", "photos", "pictures", "directory"),
    avoid="For more images than fit into memory: all are held there, in one size.",
    differs="As in torchvision's ImageFolder the classes are the folders in the order of their names. Its ToTensor "
    "divides by 255; here values are 0 to 255.",
)
class ImageFolder(DataSource, frozen=True):
    """A folder that holds one folder of images for each class; the folders' names are the names of the classes.

    Pixel values are 0 to 255. Images must have the same size, unless a height and a width to resize to are given. Reads
    PNG, JPEG, BMP, GIF (the first frame), WebP, TIFF, PPM and PGM. Needs Pillow.
    """

    path: Annotated[str, field(path=True, label="Folder", help="The folder that holds the folders of the classes.")] = (
        ""
    )
    colour: Annotated[
        Literal["auto", "grey", "rgb"],
        field(help="grey: one channel. rgb: three. auto: grey when every image is grey."),
    ] = "auto"
    height: Annotated[
        int, field(ge=0, le=4096, unit="px", help="Resize to this height; 0: leave the images as they are.")
    ] = 0
    width: Annotated[
        int, field(ge=0, le=4096, unit="px", help="Resize to this width; 0: leave the images as they are.")
    ] = 0

    def files(self) -> tuple[Path, ...]:
        # A folder's time changes when an image is added, renamed or removed, so that the images need no look each.
        root = user_path(self.path)
        try:
            return (root, *(root / name for name in _folders(root)))
        except (OSError, ValueError):
            return (root,)

    def read(self) -> Raw:
        root = check_folder(self.path)
        images = _pillow()
        if (self.height == 0) != (self.width == 0):
            raise DataError(
                "give both a height and a width to resize to, or neither",
                f"source.{'width' if self.height else 'height'}",
            )
        with decoding(root, "a folder that can be read"):
            names = _folders(root)
            files = [(label, file) for label, name in enumerate(names) for file in _images(root / name)]
        self._check(root, names, [label for label, _ in files])
        shape = self._shape(images, [file for _, file in files])
        what = f"{len(files)} images of {shape[0]} × {shape[1]} pixels"
        require_memory(len(files) * shape[0] * shape[1] * shape[2] * 6, what, "source.path")
        x = np.empty((len(files), *shape), np.uint8)
        for i, (_, file) in enumerate(files):
            with _opened(images, file) as image:
                x[i] = self._pixels(images, image, shape)
        y = np.array([label for label, _ in files], np.int64)
        return Raw({"x": x}, {"y": y}, {"y": TargetSignature(classes=len(names), class_names=tuple(names))})

    def _check(self, root: Path, names: list[str], labels: list[int]) -> None:
        if not names:
            loose = any(True for _ in _images(root))
            hint = "its images must lie in one folder for each class" if loose else "it is empty"
            raise DataError(f"“{root.name}” has no folders inside: {hint}", "source.path")
        empty = [name for i, name in enumerate(names) if i not in set(labels)]
        if empty:
            raise DataError(
                f"the folder “{empty[0]}” holds no images ({', '.join(SUFFIXES)}): add some or remove the folder",
                "source.path",
            )
        if len(names) == 1:
            raise DataError(
                f"“{root.name}” has only one folder, “{names[0]}”: two classes are the least", "source.path"
            )

    def _shape(self, images: Any, files: list[Path]) -> tuple[int, int, int]:
        """Height, width and channels of all images, read from their headers. Raises DataError when they differ."""
        first, grey = (0, 0), True
        for file in files:
            with _opened(images, file) as image:
                width, height = image.size if image.getexif().get(0x0112, 1) < 5 else image.size[::-1]
                if width * height > _MAX_PIXELS:
                    raise DataError(
                        f"“{_short(file)}” has {width} × {height} pixels, too many for one image", "source.path"
                    )
                grey = grey and image.mode in ("1", "L", "LA", "I", "F", "I;16", "I;16B", "I;16L")
            if first == (0, 0):
                first = (height, width)
            elif (height, width) != first and not self.height:
                raise DataError(
                    f"the images differ in size: “{_short(files[0])}” has {first[1]} × {first[0]} pixels, "
                    f"“{_short(file)}” {width} × {height}. Set Height and Width to resize them all",
                    "source.height",
                )
        size = (self.height, self.width) if self.height else first
        return (*size, 1 if self.colour == "grey" or (self.colour == "auto" and grey) else 3)

    def _pixels(self, images: Any, image: Any, shape: tuple[int, int, int]) -> np.ndarray:
        from PIL import ImageOps

        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I;16"):
            # Sixteen bits of grey: Pillow would cut them off at 255 rather than scale them.
            image = images.fromarray((np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8))
        image = image.convert("L" if shape[2] == 1 else "RGB")
        if self.height:
            image = image.resize((shape[1], shape[0]), images.Resampling.BILINEAR, reducing_gap=3.0)
        return np.asarray(image).reshape(shape)


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise DataError(
            "reading images needs Pillow, which is not installed: run “pip install 'descent-lab[data]'”", "source"
        ) from None
    return Image


@contextmanager
def _opened(images: Any, file: Path) -> Iterator[Any]:
    """An image, opened by Pillow; whatever goes wrong with it inside the block becomes a DataError."""
    with decoding(file, "an image"):
        if file.stat().st_size == 0:
            raise DataError(f"“{_short(file)}” is empty (0 bytes)", "source.path")
        with images.open(file) as image:
            yield image


def _folders(root: Path) -> list[str]:
    with os.scandir(root) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))


def _images(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        return sorted(
            Path(entry.path)
            for entry in entries
            if entry.name.lower().endswith(SUFFIXES) and not entry.name.startswith(".") and entry.is_file()
        )


def _short(file: Path) -> str:
    return f"{file.parent.name}/{file.name}"
