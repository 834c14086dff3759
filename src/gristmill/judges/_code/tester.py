"""The tests' process: it runs the tests against the answer's objects, and counts."""

from __future__ import annotations

import ast
import json
import os
import sys
import types
from collections.abc import Callable, Iterator
from importlib.machinery import SourceFileLoader
from typing import Any

from gristmill.judges._code import heads, pick, pytest_like, wanted
from gristmill.judges._code.client import Client
from gristmill.judges._code.wire import Broken, Unsendable

MODULES = ("solution", "answer", "main", "candidate", "your_module")
"""What tests may import the answer as."""
_TALLY = "_gristmill_tally"
_SHOWN = 300
"""Characters of a failure that are reported."""
_SETS_UP = (
    ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Assign,
    ast.AnnAssign, ast.AugAssign, ast.Global, ast.Pass, ast.Delete,
)  # fmt: skip
"""Statements that test nothing by themselves."""


class Bad(Exception):
    """Tests that cannot judge any answer."""


class Tally:
    """What passed and what did not, and the imports that the answer lacked. `total` is at least
    what was found to be run."""

    def __init__(self) -> None:
        self.passed = 0
        self.total = 0
        self.failures: list[str] = []
        self.added: tuple[str, ...] = ()

    def run(self, name: str, work: Callable[[], Any]) -> None:
        """Run one test, whatever it does."""
        self.total += 1
        try:
            found = work()
            if isinstance(found, types.CoroutineType):
                import asyncio  # takes longer than all else that is loaded here

                asyncio.run(found)
        except BaseException as error:
            self.fail(name, error)
        else:
            self.passed += 1

    def ok(self) -> None:
        self.passed += 1

    def fail(self, name: str, error: BaseException) -> None:
        text = f"{name}: {type(error).__name__}: {error}".removesuffix(": ")
        self.failures.append(text[:_SHOWN])


class Loader(SourceFileLoader):
    """Makes the tests a module in which each statement that tests something is counted."""

    def __init__(self, source: str, tally: Tally) -> None:
        super().__init__("__main__", "tests.py")
        self._source, self._tally = source, tally

    def get_data(self, path: str) -> bytes:
        return self._source.encode()

    def source_to_code(self, data: Any, path: Any = "tests.py") -> types.CodeType:  # type: ignore[override]
        tree = ast.parse(data, path)
        for place, node in enumerate(tree.body):
            docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            if not isinstance(node, _SETS_UP) and not docstring:
                self._tally.total += 1
                tree.body[place] = _counted(node)
        return compile(ast.fix_missing_locations(tree), path, "exec")


def _counted(node: ast.stmt) -> ast.stmt:
    """The statement, and what it did to the tally."""
    name = repr(" ".join(ast.unparse(node).split())[: _SHOWN // 2])
    shape = f"try: pass\nexcept BaseException as _e: {_TALLY}.fail({name}, _e)\nelse: {_TALLY}.ok()"
    (found,) = ast.parse(shape).body
    assert isinstance(found, ast.Try)
    found.body = [node]
    for new in (*found.handlers, *found.orelse):
        for part in ast.walk(new):
            if hasattr(part, "lineno"):
                ast.copy_location(part, node)
    return ast.copy_location(found, node)


class Answer(types.ModuleType):
    """The answer, for tests that import it."""

    def __init__(self, name: str, client: Client, names: list[str]) -> None:
        super().__init__(name)
        self.__all__ = names
        self.__client = client

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.__client.name(name)


def run(task: dict[str, Any], client: Client) -> dict[str, Any]:
    """Test an answer. The report: `passed`, `total`, `failures`; or `none`, why there is nothing
    to test; or `bad`, why the tests cannot be used."""
    tests = task["tests"]
    try:
        tree = ast.parse(tests)
        used = wanted.wanted(tests)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return {"bad": f"the tests cannot be parsed: {error}"}
    if missing := _missing_modules(tree):
        return {"bad": f"the tests import what is not in the standard library: {missing}"}
    given = task["given"] or heads.pieces(task["asked"])
    blocks = pick.blocks_of(task["blocks"], task["outside"], heads.head_of(given))
    if not blocks:
        return {"none": "no code was found in the answer"}
    checks, imported = _uncalled_check(tree), wanted.imported(tree, MODULES)
    names = wanted.from_answer(used, otherwise=checks or imported is not None)
    entry = pick.entry(blocks, task["asked"]) if checks else None
    named = {*names, *(imported or ()), entry or ""}
    code = pick.joined(blocks, named, [pick.Block.of(source) for source in given], task["strict"])
    tally = Tally()
    tally.added = code.added
    # `map`, `zip` and all that loop take it for their end, and test nothing that is behind it.
    client.hides_end = "StopIteration" not in tests
    try:
        public = client.load(code.source)
    except BaseException as error:
        tally.total = 1
        tally.fail("the answer's code, when it is loaded", error)
        return _report(tally)
    for name in MODULES:
        sys.modules[name] = Answer(name, client, public)
    values = {name: value for name in sorted(names) if (value := _of(client, name)) is not _ABSENT}
    try:
        _execute(tests, values, tally, (client, entry) if checks else None)
    except Bad as error:
        return {"bad": str(error)}
    if not any(isinstance(n, ast.Assert | ast.Raise) for n in ast.walk(tree)) and (
        "assert" not in tests and "raises" not in tests
    ):
        return {"bad": "the tests hold no assertion"}
    return _report(tally)


_ABSENT = object()


def _of(client: Client, name: str) -> Any:
    try:
        return client.name(name)
    except BaseException:
        return _ABSENT


def _missing_modules(tree: ast.Module) -> str:
    """Modules that the tests import and that are neither here nor the answer."""
    roots: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.Import):
            roots += [alias.name.partition(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            roots.append((node.module or "a relative import").partition(".")[0])
    known = {*MODULES, "pytest", *sys.stdlib_module_names}
    return ", ".join(root for root in roots if root not in known)


def _uncalled_check(tree: ast.Module) -> bool:
    """Whether the tests are a function `check(candidate)` that nothing in them calls."""
    defined = any(isinstance(n, ast.FunctionDef) and n.name == "check" for n in tree.body)
    calls = (n.func for n in ast.walk(tree) if isinstance(n, ast.Call))
    return defined and not any(isinstance(f, ast.Name) and f.id == "check" for f in calls)


def _execute(
    tests: str, given: dict[str, Any], tally: Tally, check: tuple[Client, str | None] | None
) -> None:
    """Run the program of tests, and then the functions and classes in it that are tests."""
    module = types.ModuleType("__main__")
    vars(module).update(given)
    vars(module)[_TALLY] = tally
    sys.modules["__main__"] = module
    sys.modules["pytest"] = pytest_like.module()
    if "unittest" in tests:
        import unittest

        unittest.main = lambda *args, **options: None  # the classes are found and run below
    try:
        Loader(tests, tally).exec_module(module)
    except BaseException as error:
        tally.total += 1
        tally.fail("the program of the tests", error)
        return
    if check is not None:
        client, entry = check
        candidate = _of(client, entry) if entry else _ABSENT
        if candidate is _ABSENT:
            tally.total += 1
            tally.failures.append("the answer defines no function")
        else:
            tally.run(f"check({entry})", lambda: module.check(candidate))
    for name, work in pytest_like.tests(module):
        tally.run(name, work)
    try:
        for name, failure in _unit_tests(module):
            tally.total += 1
            tally.passed += not failure
            if failure:
                tally.failures.append(f"{name}: {failure}"[:_SHOWN])
    except BaseException as error:  # what unittest lets through, as KeyboardInterrupt
        tally.total += 1
        tally.fail("the tests of unittest", error)
    if not tally.total:
        raise Bad("the tests run nothing: no assertion, and no function or class of tests")


def _unit_tests(module: types.ModuleType) -> Iterator[tuple[str, str]]:
    """The tests of unittest, each with the last line of what failed, or nothing."""
    if "unittest" not in sys.modules:
        return
    import unittest

    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromModule(module).run(result)
    bad = [*result.failures, *result.errors]
    bad += [(test, "it was expected to fail") for test in result.unexpectedSuccesses]
    for test, text in bad:
        yield test.id(), text.strip().rpartition("\n")[2]
    for number in range(result.testsRun - len(bad) - len(result.skipped)):
        yield f"test {number}", ""


def _report(tally: Tally) -> dict[str, Any]:
    passed = 0 if Broken.first else min(tally.passed, tally.total)
    failures = tally.failures[:3]
    return {
        "passed": passed,
        "total": max(1, tally.total),
        "failures": failures,
        "added": tally.added,
    }


def main() -> None:
    """Test the answer whose process is at the other end of standard input; the report goes to
    standard output, which nothing else is written to."""
    channel, out = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    with os.fdopen(os.open("task.json", os.O_RDONLY), "rb") as file:
        task = json.loads(file.read())
    report = run(task, Client(channel))
    report["gone"], report["unsendable"] = Broken.first, Unsendable.first
    os.write(out, json.dumps(report).encode())
    os._exit(0)
