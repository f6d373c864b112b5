from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data import cache
from engine.data.errors import DataError
from engine.data.raw import Raw
from engine.data.sources import ImageFolder
from engine.experiment import DataSpec

Image = pytest.importorskip("PIL.Image")


def save(path: Path, array: np.ndarray, **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


def refused(source: ImageFolder) -> DataError:
    with pytest.raises(DataError) as caught:
        source.read()
    return caught.value


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of grey images, 5 pixels wide and 4 high."""
    for number, name in enumerate(("dogs", "cats", "cats", "dogs")):
        save(tmp_path / name / f"{number}.png", np.full((4, 5), 10 * number, np.uint8))
    (tmp_path / "cats" / "notes.txt").write_text("not an image")
    (tmp_path / ".hidden").mkdir()
    return tmp_path


def test_classes_are_the_folders(folder: Path) -> None:
    raw = ImageFolder(path=str(folder)).read()
    assert raw.signatures["y"].class_names == ("cats", "dogs")
    assert raw.targets["y"].tolist() == [0, 0, 1, 1]
    assert raw.inputs["x"].shape == (4, 4, 5, 1)
    assert raw.inputs["x"].dtype == np.uint8
    assert raw.inputs["x"][:, 0, 0, 0].tolist() == [10, 20, 0, 30]


def test_colour(folder: Path) -> None:
    assert ImageFolder(path=str(folder), colour="rgb").read().inputs["x"].shape[-1] == 3
    colours = np.zeros((4, 5, 3), np.uint8)
    colours[..., 1] = 200
    save(folder / "dogs" / "9.png", colours)
    raw = ImageFolder(path=str(folder)).read()
    assert raw.inputs["x"][-1, 0, 0].tolist() == [0, 200, 0]
    assert ImageFolder(path=str(folder), colour="grey").read().inputs["x"].shape[-1] == 1


def test_sixteen_bits_are_scaled_not_cut_off(folder: Path) -> None:
    save(folder / "dogs" / "9.png", np.full((4, 5), 0x80FF, np.uint16))
    assert ImageFolder(path=str(folder)).read().inputs["x"][-1, 0, 0, 0] == 0x80


def test_different_sizes_are_named_and_resized_on_request(folder: Path) -> None:
    save(folder / "dogs" / "wide.png", np.full((4, 6), 7, np.uint8))
    error = refused(ImageFolder(path=str(folder)))
    assert "“cats/1.png” has 5 × 4 pixels, “dogs/wide.png” 6 × 4" in error.message
    assert error.field == "source.height"
    raw = ImageFolder(path=str(folder), height=3, width=2).read()
    assert raw.inputs["x"].shape == (5, 3, 2, 1)
    assert (raw.inputs["x"][-1] == 7).all()
    assert "both a height and a width" in refused(ImageFolder(path=str(folder), height=3)).message


def test_orientation_of_photographs_is_respected(tmp_path: Path) -> None:
    array = np.zeros((4, 5), np.uint8)
    array[0] = 255
    for name in ("a", "b"):
        exif = Image.Exif()
        exif[0x0112] = 6  # Turn right by 90 degrees to show it.
        save(tmp_path / name / "p.png", array, exif=exif)
    images = ImageFolder(path=str(tmp_path)).read().inputs["x"]
    assert images.shape == (2, 5, 4, 1)
    assert (images[:, :, -1] == 255).all()
    assert (images[:, :, :-1] == 0).all()


def test_bad_folders_get_words(tmp_path: Path) -> None:
    assert "no folder is chosen yet" in refused(ImageFolder()).message
    assert "there is no folder" in refused(ImageFolder(path=str(tmp_path / "gone"))).message
    assert "has no folders inside: it is empty" in refused(ImageFolder(path=str(tmp_path))).message
    save(tmp_path / "loose.png", np.zeros((2, 2), np.uint8))
    assert "must lie in one folder for each class" in refused(ImageFolder(path=str(tmp_path))).message
    assert "is a file; choose the folder" in refused(ImageFolder(path=str(tmp_path / "loose.png"))).message
    (tmp_path / "cats").mkdir()
    assert "the folder “cats” holds no images" in refused(ImageFolder(path=str(tmp_path))).message
    save(tmp_path / "cats" / "1.png", np.zeros((2, 2), np.uint8))
    assert "has only one folder, “cats”" in refused(ImageFolder(path=str(tmp_path))).message


def test_damaged_and_empty_images_are_named(folder: Path) -> None:
    (folder / "dogs" / "x.png").write_bytes(b"")
    assert "“dogs/x.png” is empty (0 bytes)" in refused(ImageFolder(path=str(folder))).message
    (folder / "dogs" / "x.png").write_bytes(b"not a picture")
    assert "“x.png” is damaged or not an image" in refused(ImageFolder(path=str(folder))).message
    data = (folder / "dogs" / "0.png").read_bytes()
    (folder / "dogs" / "x.png").write_bytes(data[:-20])
    assert "“x.png” is damaged or not an image" in refused(ImageFolder(path=str(folder))).message


def test_without_pillow_the_remedy_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    assert "pip install 'descent-lab[data]'" in refused(ImageFolder(path=str(folder))).message


def test_added_images_are_noticed(folder: Path) -> None:
    spec = DataSpec(source=ImageFolder(path=str(folder)))
    assert cache.peek(spec) is None
    assert cache.load(spec).raw.samples == 4
    save(folder / "cats" / "new.png", np.zeros((4, 5), np.uint8))
    assert cache.peek(spec) is None
    assert cache.load(spec).raw.samples == 5


def outcome(source: ImageFolder) -> Raw | DataError:
    try:
        return source.read()
    except DataError as error:
        return error


@given(
    content=st.binary(min_size=1, max_size=80),
    head=st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"P5 2 2 255\n", b"GIF89a", b"BM"]),
)
def test_any_bytes_are_read_or_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, head: bytes
) -> None:
    root = tmp_path_factory.mktemp("images")
    for name in ("a", "b"):
        (root / name).mkdir()
        (root / name / "1.png").write_bytes(head + content)
    result = outcome(ImageFolder(path=str(root)))
    assert result.samples > 0 if isinstance(result, Raw) else result.message
