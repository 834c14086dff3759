"""A reader of the pages that gristmill writes, for tests."""

from __future__ import annotations

import re
from html.parser import HTMLParser


class Page(HTMLParser):
    """Collects tags, attributes and words, and checks that every tag is closed in order.

    VOID: tags that a page opens and never closes.
    """

    VOID = frozenset({"meta", "link", "br", "img", "input", "hr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


_COUNTED = (
    "prompts|rows|responses|answers|calls|requests|tokens|votes|battles|models|judges|pairs|"
    "examples|steps|epochs|lines|words|characters|times|items|replies|retries|servers|shards|"
    "turns|rounds|labels|duplicates|conversations|failures|layers|questions|constraints|tests|"
    "clusters|categories|sources|attributes|places|ties|were|are|have"
)


def plurals_of_one(text: str) -> list[str]:
    """What a text says of one thing as if of several."""
    return re.findall(rf"(?<![\w.,:=#/\u202f-])1 (?:{_COUNTED})\b", text)
