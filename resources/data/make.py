"""Write the shipped image sets from their originals, byte for byte the same each time.

    python resources/data/make.py --mnist mnist_5k.csv.gz
    python resources/data/make.py --fashion FOLDER_WITH_THE_FOUR_IDX_FILES

See README.md beside this file for where the originals come from and under which licences they stand.
"""

import argparse
import gzip
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent


def read_idx(path: Path) -> np.ndarray:
    """The unsigned bytes of a gzipped IDX file."""
    data = gzip.decompress(path.read_bytes())
    dims = np.frombuffer(data, ">u4", count=data[3], offset=4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(dims)


def first_of_each_class(labels: np.ndarray, count: int) -> np.ndarray:
    """Indices of the first `count` samples of every class, in the order of the file."""
    picked = [np.flatnonzero(labels == label)[:count] for label in np.unique(labels)]
    return np.sort(np.concatenate(picked))


def make_mnist(source: Path) -> None:
    with gzip.open(source, "rt", encoding="ascii") as lines:
        table = np.loadtxt(lines, delimiter=",", dtype=np.int64)
    images = table[:, :-1].reshape(-1, 28, 28).astype(np.uint8)
    np.savez_compressed(HERE / "mnist_5k.npz", images=images, labels=table[:, -1].astype(np.uint8))


def make_fashion(folder: Path) -> None:
    arrays = {}
    for part, name, count in (("train", "train", 500), ("test", "t10k", 100)):
        images = read_idx(folder / f"{name}-images-idx3-ubyte.gz")
        labels = read_idx(folder / f"{name}-labels-idx1-ubyte.gz")
        picked = first_of_each_class(labels, count)
        arrays[f"{part}_images"], arrays[f"{part}_labels"] = images[picked], labels[picked]
    np.savez_compressed(HERE / "fashion_mnist_5k.npz", **arrays)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", type=Path)
    parser.add_argument("--fashion", type=Path)
    arguments = parser.parse_args()
    if arguments.mnist:
        make_mnist(arguments.mnist)
    if arguments.fashion:
        make_fashion(arguments.fashion)
