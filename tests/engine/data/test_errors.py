import os
from pathlib import Path

import pytest

from engine.data.errors import DataError, check_file, check_folder, decoding, memory_limit, require_memory


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no file is chosen yet"),
        ("  ", "no file is chosen yet"),
        ("gone.csv", "there is no file “gone.csv”"),
        ("x" * 5000, "cannot be opened"),
        ("a\0b", "cannot be opened"),
        ("~nobody-of-that-name/x", "cannot be opened"),
    ],
)
def test_paths_that_lead_nowhere(text: str, words: str) -> None:
    with pytest.raises(DataError) as caught:
        check_file(text, "source.images")
    assert words in caught.value.message
    assert caught.value.field == "source.images"


def test_kinds_of_files(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "full").write_text("x")
    assert check_file(str(tmp_path / "full")) == tmp_path / "full"
    assert check_folder(str(tmp_path)) == tmp_path
    for check, name, words in (
        (check_file, "empty", "is empty (0 bytes)"),
        (check_file, "", "is a folder; choose a file"),
        (check_folder, "full", "is a file; choose the folder"),
    ):
        with pytest.raises(DataError) as caught:
            check(str(tmp_path / name))
        assert words in caught.value.message


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_rather_than_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="is not a regular file"):
        check_file(str(tmp_path / "pipe"))


def test_whatever_a_decoder_raises_becomes_words() -> None:
    for error, words in ((KeyError("x"), "is damaged or not a table"), (MemoryError(), "does not fit into memory")):
        with pytest.raises(DataError) as caught, decoding(Path("f.csv"), "a table"):
            raise error
        assert words in caught.value.message
    own = DataError("as it is", "source.task")
    with pytest.raises(DataError) as caught, decoding(Path("f.csv"), "a table"):
        raise own
    assert caught.value is own


def test_memory_is_asked_for_beforehand() -> None:
    require_memory(1000, "a little")
    with pytest.raises(DataError, match=r"the set needs .* use fewer samples"):
        require_memory(memory_limit() + 1, "the set")
    with pytest.raises(DataError):
        require_memory(10**40, "the set")
