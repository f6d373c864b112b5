"""The rules about who imports whom, read from the source."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
QT = ("PySide6", "shiboken6", "pyqtgraph")
HEAVY = (
    "sklearn",
    "scipy",
    "cupy",
    "cudnn",
    "optuna",
    "onnx",
    "onnxruntime",
    "numba",
    "distributed",
    "torch",
    "pandas",
)
UNSAFE = ("pickle", "cloudpickle", "dill", "shelve", "marshal", "joblib")


def files(package: str) -> list[Path]:
    return sorted(path for path in (ROOT / package).rglob("*.py") if "__pycache__" not in path.parts)


def imports(path: Path, *, at_import_time: bool = False) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every import of a file; those under `if TYPE_CHECKING` do not count."""

    def visit(node: ast.AST) -> Iterator[tuple[int, str]]:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for child in node.orelse:
                yield from visit(child)
            return
        if at_import_time and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            return
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            assert node.module is not None
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        for child in ast.iter_child_nodes(node):
            yield from visit(child)

    yield from visit(ast.parse(path.read_text(encoding="utf-8")))


def offences(paths: list[Path], forbidden: tuple[str, ...], *, at_import_time: bool = False) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in paths
        for line, name in imports(path, at_import_time=at_import_time)
        if any(name == item or name.startswith(f"{item}.") for item in forbidden)
    ]


def test_the_reader_sees_every_kind_of_import(tmp_path: Path) -> None:
    source = tmp_path / "source.py"
    source.write_text(
        "from typing import TYPE_CHECKING\nimport a.b\nif TYPE_CHECKING:\n    import hidden\n"
        "class C:\n    import c\ndef f():\n    from d import e\n"
    )
    assert [name for _, name in imports(source)] == ["typing.TYPE_CHECKING", "a.b", "c", "d.e"]
    assert [name for _, name in imports(source, at_import_time=True)] == ["typing.TYPE_CHECKING", "a.b", "c"]


def test_engine_imports_neither_qt_nor_widgets_nor_lab() -> None:
    assert files("engine")
    assert offences(files("engine"), (*QT, "widgets", "lab")) == []


def test_widgets_import_of_the_project_only_the_schema() -> None:
    assert files("widgets")
    allowed = ("engine.schema", "widgets")
    found = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in files("widgets")
        for line, name in imports(path)
        if name.split(".")[0] in ("engine", "lab", "widgets")
        and not any(name == item or name.startswith(f"{item}.") for item in allowed)
    ]
    assert found == []


@pytest.mark.parametrize("package", ["canvas", "inspector", "panels"])
def test_canvas_inspector_and_panels_never_import_each_other(package: str) -> None:
    others = tuple(f"lab.{other}" for other in ("canvas", "inspector", "panels") if other != package)
    assert offences(files(f"lab/{package}"), (*others, "lab.window", "lab.app")) == []


def test_only_the_application_assembles_the_window() -> None:
    paths = [path for path in files("lab") if path.name not in ("app.py", "window.py", "screenshots.py")]
    assert offences(paths, ("lab.window",)) == []


@pytest.mark.parametrize("package", ["engine", "widgets", "lab"])
def test_nothing_heavy_is_imported_at_import_time(package: str) -> None:
    compiler = ROOT / "engine/kernels/cpu/build.py"  # needs numba, and is itself imported when kernels are compiled
    assert offences([path for path in files(package) if path != compiler], HEAVY, at_import_time=True) == []
    assert offences(files(package), ("engine.kernels.cpu.build",), at_import_time=True) == []


@pytest.mark.parametrize("package", ["engine", "widgets", "lab"])
def test_nothing_unpickles_and_nothing_runs_text(package: str) -> None:
    assert offences(files(package), UNSAFE) == []
    calls = [
        f"{path.relative_to(ROOT)}:{node.lineno} calls {node.func.id}"
        for path in files(package)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec")
    ]
    assert calls == []


def test_the_starter_needs_the_standard_library_only() -> None:
    names = {name.split(".")[0] for _, name in imports(ROOT / "run.py")}
    assert names <= sys.stdlib_module_names


@pytest.mark.parametrize(
    "code",
    [
        "import lab.cli",
        "import lab.cli; lab.cli.main(['presets'])",
        "import lab.cli; lab.cli.main(['components'])",
    ],
)
def test_the_command_line_loads_no_qt_and_nothing_heavy(code: str) -> None:
    heavy = (*QT, *HEAVY)
    check = f"{code}; import sys; print('FOUND', [name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=True
    )
    assert done.stdout.splitlines()[-1] == "FOUND []"
