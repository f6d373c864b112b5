"""The data sources: shipped sets, synthetic sets, and the user's own files. Importing this package registers them."""

from engine.data.sources.base import DataSource
from engine.data.sources.builtin import Diabetes, Digits, FashionMnist, Mnist
from engine.data.sources.sequences import Brackets, MostFrequentToken
from engine.data.sources.synthetic import Blobs, Circles, Moons, Regression, Spirals, Xor

# Lists of sources have the order of these imports: what needs no file comes first.
# isort: split
from engine.data.sources.csv_file import CsvFile
from engine.data.sources.idx_file import IdxFile
from engine.data.sources.image_folder import ImageFolder
from engine.data.sources.npz_file import NpzFile

__all__ = [
    "Blobs",
    "Brackets",
    "Circles",
    "CsvFile",
    "DataSource",
    "Diabetes",
    "Digits",
    "FashionMnist",
    "IdxFile",
    "ImageFolder",
    "Mnist",
    "Moons",
    "MostFrequentToken",
    "NpzFile",
    "Regression",
    "Spirals",
    "Xor",
]
