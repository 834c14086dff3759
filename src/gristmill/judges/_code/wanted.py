"""Which names the tests use, and which of these the answer is to give."""

from __future__ import annotations

import ast
import builtins
import symtable
from collections.abc import Iterator, Sequence


def wanted(tests: str) -> set[str]:
    """The names that the tests use and define nowhere, those of built-in things among them."""
    top = symtable.symtable(tests, "tests", "exec")
    own = {s.get_name() for s in top.get_symbols() if s.is_assigned() or s.is_imported()}
    used: set[str] = set()
    for table in _tables(top):
        for symbol in table.get_symbols():
            outer = symbol.is_global() or (table is top and not symbol.is_assigned())
            if symbol.is_referenced() and outer:
                used.add(symbol.get_name())
            if table is not top and symbol.is_declared_global() and symbol.is_assigned():
                own.add(symbol.get_name())
    return used - own


def imported(tree: ast.Module, modules: Sequence[str]) -> set[str] | None:
    """The names that tests import from the answer, which is called one of `modules`, or look up in
    it; None where they do not import it."""
    found: set[str] = set()
    whole: set[str] = set()
    seen = False
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in modules:
            seen = True
            found.update(alias.name for alias in node.names if alias.name != "*")
        elif isinstance(node, ast.Import):
            whole.update(a.asname or a.name for a in node.names if a.name in modules)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found.update({node.attr} if node.value.id in whole else ())
    return found if seen or whole else None


def from_answer(names: set[str], otherwise: bool) -> set[str]:
    """Those of the names that the answer is to give.

    A built-in one is the answer's only where the tests have nothing else of the answer, neither a
    name that is not built-in nor, `otherwise`, an import or a candidate: what is tested is then
    called `sum` or `max`. Else an answer could make up an `all` that finds everything true.
    """
    own = names - set(dir(builtins))
    return own if own or otherwise else names


def _tables(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for child in table.get_children():
        yield from _tables(child)
