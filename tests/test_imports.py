"""The house: what loads what, which floor may import which, and what no file may hold."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import gristmill

PACKAGE = Path(gristmill.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
HEAVY = (
    "torch", "transformers", "ray", "pandas", "vllm", "gradio", "pyarrow", "aiohttp", "fastapi",
)  # fmt: skip

FLOORS = {
    # room or module: floor; imports go to lower floors only, or stay in the room.
    "foreign": -1,
    "records": 0, "errors": 0, "keys": 0, "aliases": 0,
    "parts": 1, "storage": 1, "intervals": 1, "page": 1,
    "nemotron": 1, "tutor": 1, "packing": 1,
    "lists": 1, "sandbox": 1, "languages": 1,
    "settings": 2, "similarity": 2, "constraints": 2, "fleet": 2, "intake": 3, "backends": 4,
    "tools": 5,
    "recipes": 6, "judges": 6, "filters": 6, "terminal": 6,
    "mill": 7, "rewards": 7, "train": 7, "bench": 7, "arena": 7, "precision": 7, "serve": 7,
    "report": 8, "plan": 8, "comparing": 8,
    "jobs": 9,
    "flywheel": 10,
    "cli": 11,
}  # fmt: skip


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """(dotted name, line) of every import of gristmill in a file, however and wherever it is
    written: in a function or for types alone, it couples all the same."""
    here = ["gristmill", *path.relative_to(PACKAGE).with_suffix("").parts][:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{module}.{alias.name}" for alias in node.names]
        line = getattr(node, "lineno", 0)
        yield from ((name, line) for name in names if name.startswith("gristmill."))


def module_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = f"import sys, gristmill; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_command_line_and_a_dry_run_load_neither_torch_nor_transformers() -> None:
    code = (
        "import sys, gristmill.cli, gristmill.mill, gristmill.jobs.run, gristmill.jobs.score;"
        "import gristmill.jobs.display, gristmill.jobs.summary, gristmill.plan;"
        f"print([m for m in {HEAVY[:3]} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_run_loads_what_its_config_names_alone() -> None:
    unused = (
        "sqlite3", "http.server", "gristmill.tutor", "gristmill.fleet.local",
        "gristmill.recipes._engine", "gristmill.lists.parse", "gristmill.similarity.minhash",
    )  # fmt: skip
    code = "import sys, gristmill.cli.app, gristmill.jobs.run;"
    code += f"print([m for m in {unused} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_all_that_is_exported_is_there() -> None:
    for name in gristmill.__all__:
        assert getattr(gristmill, name) is not None
        assert name in dir(gristmill)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = gristmill.nothing


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_downward(path: Path) -> None:
    room = room_of(path)
    if room in ("__init__", "__main__"):
        return
    assert room in FLOORS, f"{room} is new: give it a floor in this table"
    for name, line in imports(path):
        other = name.split(".")[1]
        allowed = other in (room, "__version__", "__init__") or FLOORS[other] < FLOORS[room]
        assert allowed, f"{path}:{line}: {room} (floor {FLOORS[room]}) imports {other}"


def test_no_modules_import_each_other_in_a_circle() -> None:
    modules = {module_of(path): path for path in FILES}
    # The package's own face names everything, and is asked for nothing but its version.
    del modules["gristmill"]
    graph = {}
    for module, path in modules.items():
        # `from gristmill.a import b` is the module a.b, or a name in the module a.
        found = {n if n in modules else n.rpartition(".")[0] for n, _ in imports(path)}
        graph[module] = found - {module}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(" <- ".join(error.args[1])) from None


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_files_are_short_and_run_nothing_that_was_read(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("eval", "exec"), f"{path}:{node.lineno}"
        if isinstance(node, ast.Import):
            assert not {a.name for a in node.names} & {"pickle", "dill", "shelve", "marshal"}
        if isinstance(node, ast.ImportFrom):
            assert node.module not in ("pickle", "dill", "shelve", "marshal")
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
            raise AssertionError(f"{path}:{node.lineno}: weights are safetensors only")
