"""How constraints are put into words: `wordings/<language>.yaml`, one file a language.

An entry is one sentence or more, with arguments in braces, or several such by variant. `unit` is
the thing counted, one form for each class of number that the language tells apart (CLDR's plural
rules for whole numbers), divided by `|`: the class of the number that it stands beside decides.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml

_BLANK = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Wordings:
    """The file of one language.

    constraints: by name and variant. amount: `exactly`, `at_least`, `at_most`, `between`. listed:
    how a list is written. turns: how constraints are put to a conversation. pick: what constraints
    draw their arguments from. names: of other languages, by code. common: words that are no
    keywords.
    """

    language: str
    constraints: Mapping[str, Mapping[str, str]]
    amount: Mapping[str, str]
    listed: Mapping[str, str]
    turns: Mapping[str, str]
    pick: Mapping[str, Any]
    names: Mapping[str, str]
    common: frozenset[str]

    def say(self, name: str, variant: str, number: int, values: Mapping[str, Any]) -> str:
        """The wording of one constraint with its arguments filled in."""
        entry = self.constraints[name]
        unit = self.form(entry["unit"], number) if "unit" in entry else ""
        values = {"unit": unit, **values}
        if "kind" in values:
            values["amount"] = fill(self.amount[values["kind"]], values)
        shown = {key: self._shown(value) for key, value in values.items()}
        return fill(entry[variant], shown)

    def form(self, unit: str, number: int) -> str:
        """The form of a counted thing that stands beside a number."""
        forms = unit.split("|")
        return forms[min(plural_class(self.language, number), len(forms) - 1)]

    def _shown(self, value: Any) -> str:
        if not isinstance(value, tuple):
            return str(value)
        items = [fill(self.listed["item"], {"item": item}) for item in value]
        if len(items) < 2:
            return "".join(items)
        return self.listed["between"].join(items[:-1]) + self.listed["last"] + items[-1]


def fill(template: str, values: Mapping[str, Any]) -> str:
    """The template with `{name}` replaced; what an argument itself has in braces stays."""
    return _BLANK.sub(lambda found: str(values[found[1]]), template)


def plural_class(language: str, number: int) -> int:
    """0 one, 1 other; in Polish 0 one, 1 few, 2 many; 0 alone in Chinese and Japanese."""
    if language in ("ja", "zh"):
        return 0
    if language in ("fr", "pt"):
        return int(number > 1)
    if language == "pl" and number != 1:
        few = 2 <= number % 10 <= 4 and not 12 <= number % 100 <= 14
        return 1 if few else 2
    return int(number != 1)


@lru_cache
def wordings(language: str) -> Wordings:
    """The file of one of the languages."""
    path = files("gristmill.constraints") / "wordings" / f"{language}.yaml"
    read = yaml.safe_load(path.read_text(encoding="utf-8"))
    entries = {
        name: {"text": entry} if isinstance(entry, str) else entry
        for name, entry in read["constraints"].items()
    }
    return Wordings(
        language=language,
        constraints=entries,
        amount=read["amount"],
        listed=read["listed"],
        turns=read["turns"],
        pick=read["pick"],
        names=read["names"],
        common=frozenset(read["common"].split()),
    )
