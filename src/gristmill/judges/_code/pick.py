"""Which code of an answer is meant.

An answer may be told in several blocks. Each name that the tests use, and each that this code uses
in turn, is taken from the last block that writes such a function or class; of imports and values
the nearest counts. These blocks, joined in their order, are the answer. So a helper is found before
and after the function that needs it, of two versions the later counts, and what nobody needs, such
as an example of use, is left out. The prompt's own code is a block before all of the answer's.
"""

from __future__ import annotations

import ast
import re
import symtable
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from textwrap import indent
from typing import NamedTuple

from gristmill.judges._code import heads
from gristmill.judges._code.heads import Head
from gristmill.judges._code.imports import hints, missing

_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
_DEFINITION = (*_FUNCTION, ast.ClassDef)
_SCOPE = (*_DEFINITION, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_QUIET = (*_DEFINITION, ast.Import, ast.ImportFrom, ast.Pass)
_BEGUN = re.compile(r"^(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)", re.M)
_FUTURE = re.compile(r"^from __future__ import .*$", re.M)
_READS = re.compile(r"\binput\b|\bstdin\b|\bopen\(0\b")


class Code(NamedTuple):
    """Code that can be run, and the imports that were added to it, hints of types aside."""

    source: str
    added: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of code. tree: None where it cannot be parsed.

    What its top level does with names: writes: functions and classes, mere outlines aside;
    imports; values: gives them; changes: puts something into what they stand for. uses: those that
    it looks up there or further in, its own among them.
    """

    source: str
    tree: ast.Module | None
    writes: set[str]
    imports: set[str] = field(default_factory=set)
    values: set[str] = field(default_factory=set)
    changes: set[str] = field(default_factory=set)
    uses: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, source: str) -> Block:
        """Where it cannot be parsed, what it begins to define is known all the same: a last
        version that is broken is the last version."""
        try:
            with warnings.catch_warnings():
                # An odd escape in a string warns, and is no fault.
                warnings.simplefilter("ignore")
                tree = ast.parse(source)
                used = _used(symtable.symtable(source, "answer", "exec"))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return cls(source, None, set(_BEGUN.findall(source)))
        block = cls(source, tree if tree.body else None, set(), uses=used)
        block._read(tree)
        return block

    @property
    def defines(self) -> set[str]:
        return self.writes | self.imports | self.values

    @property
    def has_definition(self) -> bool:
        return any(isinstance(node, _DEFINITION) for node in self.statements)

    def has(self, name: str) -> bool:
        """Whether it writes a function of that name, at its top level or in a class."""
        nodes = ast.walk(self.tree) if self.tree else ()
        return any(
            isinstance(n, _FUNCTION) and n.name == name and not _is_outline(n) for n in nodes
        )

    @property
    def stands_alone(self) -> bool:
        """Whether it is a module: it can be parsed, and returns from nothing but functions."""
        left: list[ast.AST] = [self.tree] if self.tree else []
        while left:
            node = left.pop()
            if isinstance(node, ast.Return):
                return False
            if not isinstance(node, _SCOPE):
                left += ast.iter_child_nodes(node)
        return self.tree is not None

    @property
    def statements(self) -> Sequence[ast.stmt]:
        return self.tree.body if self.tree else ()

    def _read(self, tree: ast.Module) -> None:
        """What the top level does, in branches and loops too."""
        left: list[ast.AST] = list(tree.body)
        while left:
            node = left.pop()
            if isinstance(node, _FUNCTION) and _is_outline(node):
                continue
            if isinstance(node, _DEFINITION):
                self.writes.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                self.values.add(node.id)
            elif isinstance(node, ast.alias):
                self.imports.add((node.asname or node.name).partition(".")[0])
            elif isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
                new, old = _assigned(node)
                self.values.update(new)
                self.changes.update(old)
            elif not isinstance(node, _SCOPE) and not _is_main(node):
                left += ast.iter_child_nodes(node)


def blocks_of(fenced: Sequence[str], outside: str, head: Head | None = None) -> list[Block]:
    """The pieces of an answer: its fenced blocks, if one of them is code; else the text outside of
    them, if that is; else what is code in that text; else nothing. Where they are the body of the
    function that the prompt begins, they are that function."""
    for sources in (fenced, [outside]):
        blocks = [Block.of(source) for source in sources]
        if head and (whole := _completed(head, blocks)):
            return [*(block for block in blocks if block.tree and block.has_definition), whole]
        if any(block.tree for block in blocks):
            return blocks
    return [Block.of(piece) for piece in heads.pieces(outside)]


def _completed(head: Head, blocks: Sequence[Block]) -> Block | None:
    """The prompt's function with the last of the blocks that can be its body, or the prompt's class
    with a block that is its method; nothing where one of them writes the whole of it."""
    for block in reversed(blocks):
        if head.name in block.writes and len(head.indent) > 4:
            method = indent(block.source, head.indent[4:])
            return Block.of(f"{head.before}\n{method}")
        if head.name in block.values | block.imports or block.has(head.name):
            return None
    # What cannot stand alone, because it returns, is a body rather than an example.
    alone = [block for block in blocks if block.stands_alone]
    for block in [*(b for b in reversed(blocks) if b not in alone), *reversed(alone)]:
        for source in heads.bodies(head, block.source):
            whole = Block.of(source)
            if whole.tree and whole.has(head.name):
                return whole
    return None


def entry(blocks: Sequence[Block], asked: str) -> str | None:
    """The function that tests named `check(candidate)` are for: of those that the code defines the
    last that the prompt begins; else the first that it names; else the last."""
    nodes = (node for block in blocks for node in block.statements)
    own = [node.name for node in nodes if isinstance(node, _FUNCTION) and not _is_outline(node)]
    begun = [name for name in re.findall(r"\bdef[ \t]+(\w+)[ \t]*\(", asked) if name in own]
    named = [name for name in re.findall(r"\w+", asked) if name in own]
    return (begun[-1:] or named[:1] or own[-1:] or [None])[0]


def joined(
    blocks: Sequence[Block], names: set[str], given: Sequence[Block] = (), strict: bool = False
) -> Code:
    """The code that gives the names; where no block defines any of them, all that can be parsed.

    given: the prompt's code, for what the answer's leaves out of it. strict: nothing but hints of
    types is imported that the code does not import itself.
    """
    needed = _needed(blocks, [(name, None) for name in names])
    if needed and given:
        needed = _needed([*given, *blocks], [(name, None) for name in names])
    return _together(needed or [block for block in blocks if block.tree], strict)


def program(blocks: Sequence[Block], strict: bool = False) -> Code:
    """What is run as a whole: the last block that does something by itself and, with those that
    give it what it lacks, reads its input; else the last that does something."""
    found: list[Code] = []
    for place, main in reversed(list(enumerate(blocks))):
        if main.tree and not all(isinstance(n, _QUIET) or _is_data(n) for n in main.statements):
            helpers = _needed(blocks, [(name, place) for name in main.uses])
            helpers = [block for block in helpers if block is not main]
            found.append(_together([*helpers, main], strict))
        elif main.tree is None:
            found.append(Code(main.source))
        if found and _READS.search(found[-1].source):
            return found[-1]
    return found[0] if found else joined(blocks, set(), strict=strict)


def _needed(blocks: Sequence[Block], wanted: Sequence[tuple[str, int | None]]) -> list[Block]:
    """The blocks that give the names and what these need, in their order; of each name the place
    of the block that needs it, None for the tests."""
    found: set[int] = set()
    left = list(wanted)
    while left:
        name, place = left.pop()
        giver = _giver(blocks, name, place)
        if giver is None:
            continue
        more = {giver}
        if name not in blocks[giver].imports:
            more |= {n for n, block in enumerate(blocks) if name in block.changes}
        left += [(used, n) for n in more - found for used in blocks[n].uses]
        found |= more
    return [blocks[place] for place in sorted(found)]


def _giver(blocks: Sequence[Block], name: str, place: int | None) -> int | None:
    """The place of the block that a name is taken from."""
    giving = [n for n, block in enumerate(blocks) if name in block.defines]
    if not giving or place is None or any(name in blocks[n].writes for n in giving):
        return giving[-1] if giving else None
    return max((n for n in giving if n <= place), default=giving[0])


def _together(blocks: Sequence[Block], strict: bool) -> Code:
    """The blocks as one source, in which what one of them only outlines is what another wrote."""
    code = "\n\n".join(_without_outlines(block, blocks) for block in blocks)
    lacking = {name for block in blocks for name in block.uses}
    lacking -= {name for block in blocks for name in block.defines}
    added = [] if strict else missing(lacking)
    futures = list(dict.fromkeys(_FUTURE.findall(code)))
    lines = [*added, *hints(lacking)]
    if not lines and (len(blocks) == 1 or not futures):
        return Code(code)
    return Code("\n".join([*futures, *lines, _FUTURE.sub("", code)]), tuple(added))


def _without_outlines(block: Block, blocks: Sequence[Block]) -> str:
    lines = block.source.split("\n")
    written = {name for other in blocks for name in other.defines}
    for node in block.statements:
        if isinstance(node, _FUNCTION) and _is_outline(node) and node.name in written:
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)]) - 1
            last = node.end_lineno or node.lineno
            lines[first:last] = [""] * (last - first)
    return "\n".join(lines)


def _is_outline(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a function has nothing but `...`, `pass` or a text for a body."""
    return all(
        isinstance(n, ast.Pass) or (isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant))
        for n in node.body
    )


def _is_data(node: ast.stmt) -> bool:
    """Whether a statement only gives names to values, or is a text."""
    calls = any(isinstance(part, ast.Call) for part in ast.walk(node))
    return isinstance(node, ast.Assign | ast.AnnAssign | ast.Expr) and not calls


def _assigned(node: ast.Assign | ast.AugAssign | ast.AnnAssign) -> tuple[set[str], set[str]]:
    """The names that an assignment binds, and those of what it changes: what is made from itself
    was there before."""
    if node.value is None:
        return set(), set()
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    parts = [part for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)]
    names = {part.id for part in parts}
    if isinstance(node, ast.AugAssign):
        return set(), names
    new = {part.id for part in parts if isinstance(part.ctx, ast.Store)} - set(_names(node.value))
    return new, names - new


def _names(node: ast.AST) -> Iterator[str]:
    return (part.id for part in ast.walk(node) if isinstance(part, ast.Name))


def _is_main(node: ast.AST) -> bool:
    """Whether it is what runs only where the code is a program: `if __name__ == "__main__":`."""
    return isinstance(node, ast.If) and "__name__" in _names(node.test)


def _used(table: symtable.SymbolTable, outer: bool = True) -> set[str]:
    """The names that are looked up at the top level, or from further in."""
    symbols = (symbol for symbol in table.get_symbols() if symbol.is_referenced())
    found = {symbol.get_name() for symbol in symbols if outer or symbol.is_global()}
    return found.union(*(_used(child, False) for child in table.get_children()))
