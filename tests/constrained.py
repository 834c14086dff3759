"""An answer that keeps to a set of constraints, built by hand: no prose, but a proof that the set
does not contradict itself."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from gristmill.constraints import Constraint
from gristmill.constraints._counted import Counted
from gristmill.parts import name_of


class Builder:
    """Words, cut into sentences, cut into blocks, with a beginning and an end."""

    def __init__(self, constraints: Sequence[Constraint], language: str) -> None:
        self.set: dict[str, Any] = {name_of(each): each for each in constraints}
        self.cjk = language in ("ja", "zh")
        self.filler, self.stop, self.space = ("水", "。", "") if self.cjk else ("otto", ".", " ")
        self.other = "火" if self.cjk else "anna"

    def number(self, name: str, default: int = 0) -> int:
        """So many of something as are wanted."""
        wanted = self.set.get(name)
        if not isinstance(wanted, Counted):
            return default
        return wanted.low or int(min(wanted.high, max(default, 1)))

    def answer(self) -> str:
        """The shortest answer that is long enough."""
        for padding in range(2500):
            text = self.dressed(self.words(padding))
            if all(self.long_enough(name, text) for name in ("words", "characters")):
                return text
        raise AssertionError("never long enough")

    def long_enough(self, name: str, text: str) -> bool:
        return name not in self.set or self.set[name].measure(text) >= self.set[name].low

    def words(self, padding: int) -> list[str]:
        found = [self.filler] * padding
        if keywords := self.set.get("keywords"):
            found += [word for word in keywords.words if word not in self.fixed()]
        if often := self.set.get("keyword_frequency"):
            have = sum(map(often.measure, found)) + sum(map(often.measure, self.fixed()))
            found += [often.keyword] * max(0, often.low - have)
        if letter := self.set.get("letter_frequency"):
            found += [letter.letter * 2] * letter.low
        # Without a space two of them would touch.
        after = self.filler if self.cjk else ""
        found += [f"*{self.filler}*{after}"] * self.number("highlights")
        found += [f"[{self.filler}]"] * self.number("placeholders")
        found += ["OTTO"] * self.number("capital_words")
        return found

    def fixed(self) -> list[str]:
        ends = (
            self.set.get("start_with"),
            self.set.get("end_with"),
            self.set.get("paragraph_start"),
        )
        return [text for each in ends if each for text in each.texts()]

    def sentences(self, words: list[str], least: int) -> list[str]:
        """The words in the number of sentences wanted, or in short ones."""
        ends = "end_with" in self.set
        if "sentences" in self.set:
            count = max(self.number("sentences"), least) - ends
        else:
            count = max(-(-len(words) // 5), least - ends)
        count = max(count, 1)
        pieces = [words[i::count] or [self.filler] for i in range(count)]
        if start := self.set.get("start_with"):
            pieces[0] = [start.phrase, *pieces[0]]
        said = [self.space.join(piece) for piece in pieces]
        said = [(s if self.cjk else capitalised(s)) + self.stop for s in said]
        return [*said, self.set["end_with"].phrase] if ends else said

    def dressed(self, words: list[str]) -> str:
        least = max(self.number(n) for n in ("paragraphs", "lines"))
        listed = max(self.number(n) for n in ("bullets", "numbered_list"))
        if listed:
            least = listed + 1 + ("end_with" in self.set)
        start = self.set.get("paragraph_start")
        blocks = self.sentences(words, max(least, start.count if start else 0))
        text = self.laid_out(blocks).strip()
        if "title" in self.set:
            text = f"<<{self.filler}>>\n\n{text}"
        if repeat := self.set.get("repeat_request"):
            text = f"{repeat.request}\n\n{text}"
        if "two_responses" in self.set:
            text = f"{text}\n******\n{self.other}"
        if "quotation" in self.set:
            text = f'"{text}"'
        if postscript := self.set.get("postscript"):
            text = f"{text}\n{postscript.marker} {self.filler}"
        if wanted := self.set.get("json"):
            body = text.replace("\n", " ").replace('"', "")
            values = dict.fromkeys(wanted.keys, "") | {(wanted.keys or ("a",))[0]: body}
            text = json.dumps(values, ensure_ascii=False)
        if "lowercase" in self.set:
            text = text.lower()
        return text.upper() if "uppercase" in self.set else text

    def laid_out(self, said: list[str]) -> str:
        if lines := self.number("lines"):
            return "\n".join(grouped(said, lines, self.space))
        for name, mark in (("bullets", "- "), ("numbered_list", "{}. ")):
            if count := self.number(name):
                before, said = said[:1], said[1:]
                items = grouped(said, count + ("end_with" in self.set), self.space)
                marked = [mark.format(n) + item for n, item in enumerate(items[:count], 1)]
                return "\n".join([*before, *marked, "", *items[count:]])
        heads: list[str] = []
        if sections := self.set.get("sections"):
            heads = [f"{sections.marker} {n + 1}" for n in range(sections.low)]
        heads += ["# otto"] * self.number("headings")
        if table := self.set.get("table"):
            row = "|" + " o |" * table.columns
            heads += [row, "|" + "---|" * table.columns, row, ""]
        if start := self.set.get("paragraph_start"):
            parts = grouped(said, start.count, self.space)
            parts[start.paragraph - 1] = f"{start.word}{self.space}{parts[start.paragraph - 1]}"
            return "\n\n".join(parts)
        body = grouped(said, self.number("paragraphs", len(said)), self.space)
        before = [body.pop(0)] if heads and "start_with" in self.set else []
        return "\n\n".join([*before, "\n".join(heads), *body])


def capitalised(text: str) -> str:
    """The first letter large, whatever stands before it."""
    return re.sub(r"[^\W\d_]", lambda found: found[0].upper(), text, count=1)


def grouped(items: list[str], count: int, space: str) -> list[str]:
    """The items joined into so many, in order."""
    assert len(items) >= count, (items, count)
    return [*items[: count - 1], space.join(items[count - 1 :])]
