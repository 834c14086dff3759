"""Which code of an answer is meant, and which of its names the tests use."""

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
    """The names that tests import from the answer, which is called one of `modules`; None where
    they do not import it."""
    found: set[str] = set()
    seen = False
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in modules:
            seen = True
            found.update(alias.name for alias in node.names if alias.name != "*")
        elif isinstance(node, ast.Import):
            seen = seen or any(alias.name in modules for alias in node.names)
    return found if seen else None


def from_answer(names: set[str], otherwise: bool) -> set[str]:
    """Those of the names that the answer is to give.

    A built-in one is the answer's only where the tests have nothing else of the answer, neither a
    name that is not built-in nor, `otherwise`, an import or a candidate: what is tested is then
    called `sum` or `max`. Else an answer could make up an `all` that finds everything true.
    """
    own = names - set(dir(builtins))
    return own if own or otherwise else names


def choose(blocks: Sequence[str], whole: str, names: set[str]) -> str | None:
    """The code to test, or None where there is none.

    blocks: the fenced ones in the language, in order. The last of them that defines all that the
    tests use; else all of them that can be parsed, joined, as an answer may be told in pieces.
    Without any, the whole text, if it is code.
    """
    if not blocks:
        return whole if _parsed(whole) else None
    trees = {block: _parsed(block) for block in blocks}
    for block in reversed(blocks):
        tree = trees[block]
        if tree and names and names <= _defined(tree):
            return block
    return "\n\n".join(block for block in blocks if trees[block]) or None


def begun(asked: str) -> list[str]:
    """The names of the functions that a prompt begins: `def name(`."""
    return [w.partition("(")[0].strip() for w in asked.split("def ")[1:] if "(" in w]


def last_function(code: str, asked: str) -> str | None:
    """The function that tests named `check(candidate)` are for: the last one that the prompt
    begins and the code defines; else the last that the code defines."""
    tree = _parsed(code)
    if tree is None:
        return None
    functions = [n.name for n in tree.body if isinstance(n, ast.FunctionDef)]
    both = [name for name in begun(asked) if name in functions]
    return (both or functions or [None])[-1]


def _parsed(code: str) -> ast.Module | None:
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return tree if tree.body else None


def _defined(tree: ast.Module) -> set[str]:
    """Names that a module binds at its top level, those in its branches and loops among them."""
    found: set[str] = set()
    inner = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    left: list[ast.AST] = list(tree.body)
    while left:
        node = left.pop()
        if isinstance(node, inner):
            found.add(node.name)
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        if isinstance(node, ast.alias):
            found.add((node.asname or node.name).partition(".")[0])
        left += ast.iter_child_nodes(node)
    return found


def _tables(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for child in table.get_children():
        yield from _tables(child)
