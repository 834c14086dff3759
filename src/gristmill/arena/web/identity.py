"""Whether an answer tells which model wrote it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from importlib.resources import files

from gristmill.arena.contestants import Contestant

_MADE = (
    r"(?:trained|made|created|developed|built|designed|released)\s+"
    r"(?:\w+\s+){0,2}?by\s+(?:\w+\s+)?"
)
_MADE_THERE = r"(?:由|是)\s*"
_SHORTEST = 3
"""Letters of a part of a name from which on it is looked for by itself."""


@lru_cache(maxsize=1)
def known() -> dict[str, tuple[str, ...]]:
    """The words of `identity.txt` by section: models, makers, ordinary."""
    text = files("gristmill.arena.web").joinpath("identity.txt").read_text(encoding="utf-8")
    lines = " ".join(line for line in text.splitlines() if not line.startswith("#"))
    _, *sections = re.split(r"\[(\w+)\]", lines)
    words = ([word.strip() for word in part.split(",")] for part in sections[1::2])
    return dict(zip(sections[::2], map(tuple, words), strict=True))


class Identity:
    """Looks for what gives a model of the arena away.

    A word is found whole, whatever its case, accents, hyphens or invisible characters: `gpt 4`
    is found in `GPT-4` and in `gpt4o`, `llama` in `**Llama3**` and not in `llamas`.
    """

    def __init__(self, models: Sequence[Contestant], words: Iterable[str] = ()) -> None:
        names = [name for m in models for name in (m.called, _last(m.model))]
        given = {
            *known()["models"],
            *(part for name in names for part in _parts(name)),
            # A model knows nothing of its alias, whose parts may be any words.
            *(m.alias for m in models if _parts(m.alias)),
            *words,
        }
        # By what may not stand before them, once for all: most places of a text end there.
        edges: dict[str, list[str]] = {}
        for word in sorted(given):
            edge, pattern = _pattern(word)
            if pattern:
                edges.setdefault(edge, []).append(pattern)
        found = [f"{edge}(?:{'|'.join(words)})" for edge, words in edges.items()]
        makers = sorted(("".join(_pattern(m)) for m in known()["makers"]), key=len, reverse=True)
        found += [f"{made}(?:{'|'.join(makers)})" for made in (_MADE, _MADE_THERE)]
        self._pattern = re.compile("|".join(found))

    def found(self, answer: str) -> str | None:
        """The first thing in an answer that gives it away, plainly written; None if there is
        none."""
        hit = self._pattern.search(plain(answer))
        return hit.group().strip() if hit else None


def plain(text: str) -> str:
    """Text in small letters without accents and invisible characters, `ﬁ` and `Ｇ` resolved."""
    told = unicodedata.normalize("NFKD", text).casefold()
    kept = (c for c in told if unicodedata.category(c) not in ("Mn", "Cf"))
    return unicodedata.normalize("NFC", "".join(kept))


def _last(model: str) -> str:
    """The name that a model string ends with: `x` of `http://host/v1#org/x` or `hf:org/x`."""
    if model.startswith("scripted:"):
        return ""
    return re.split(r"[#:/]", model.rstrip("/"))[-1]


def _parts(name: str) -> set[str]:
    """What to look for of a model's name: the whole, and the parts that are its own."""
    words = _split(name)
    own = {word for word in words if word.isalpha() and _telling(word)}
    # A whole name that is nothing but ordinary words would be found everywhere.
    whole = {" ".join(words)} if len(words) > 1 or own else set()
    return own | whole


def _telling(word: str) -> bool:
    if word in known()["ordinary"] or word in known()["makers"]:
        return False
    return len(word) >= _SHORTEST or not word.isascii()


def _split(name: str) -> list[str]:
    """Runs of letters and of digits."""
    return re.findall(r"[^\W\d_]+|\d+", plain(name))


def _pattern(word: str) -> tuple[str, str]:
    """A regular expression that finds a word or phrase in plain text: its beginning, the rest."""
    parts = _split(word)
    if not parts:
        return "", ""
    return _edge(parts[0], "<!"), r"[\W_]*".join(map(re.escape, parts)) + _edge(parts[-1], "!")


def _edge(part: str, look: str) -> str:
    """No further letter after a letter, no further digit after a digit. Scripts that write no
    spaces have no edges of words, and what is Latin has one towards them."""
    if part.isdigit():
        return rf"(?{look}\d)"
    if part.isascii():
        return rf"(?{look}[a-z])"
    cased = part[0].lower() != part[0].upper()
    return rf"(?{look}[^\W\d_])" if cased else ""
