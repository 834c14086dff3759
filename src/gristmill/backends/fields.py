"""Fields of a chat request that its server does not take.

What each engine knows of OpenAI's fields differs, and how it says so: with 400, 404, 422 or 500,
naming the field or not. A request is sent again without what was refused, and so is every one after
it; where that changes what the model writes, it is not: then the server's words are the error.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Set

from gristmill.errors import BackendError

_log = logging.getLogger("gristmill.servers")

THOUGHT = "reasoning_content"
"""Of a message that calls tools: what the model thought before it."""
SCHEMA, LENGTH, NEW_LENGTH = "response_format", "max_tokens", "max_completion_tokens"

_NAMED = {
    # Without it lists are read from what the model writes freely.
    SCHEMA: re.compile(
        r"response[_ ]format|json_schema|guided|structured[_ ]output|grammar|xgrammar|schema conv",
        re.IGNORECASE,
    ),
    # Without it a run cannot be repeated to the letter, which such a server cannot do anyway.
    "seed": re.compile(
        r"[`'\".]seed[`'\".:]|\bseed (is|must|param|field)"
        r"|(param\w*|field|argument)\W+(\w+\W+)?seed\b",
        re.IGNORECASE,
    ),
    # 1, which says nothing, is refused by text-generation-inference, and beside a temperature by
    # Anthropic's models.
    "top_p": re.compile(r"\btop_p\b"),
    # OpenAI's models that think have it under another name.
    LENGTH: re.compile(NEW_LENGTH),
    # Of the same models only 1 is taken; a range that is left, as by 3, is the user's mistake.
    "temperature": re.compile(
        r"\btemperature\b.*(not support|unsupported|deprecat|only the default|not permitted|unknown"
        r"|unrecogni|unexpected)"
        r"|(unsupported|deprecat|unknown|unrecogni|unexpected)[^.]*\btemperature\b",
        re.IGNORECASE,
    ),
    # Not where it is what a server misses.
    THOUGHT: re.compile(r"\A(?!.*\b(must|missing)\b).*\breasoning_content\b", re.I | re.S),
}
"""How servers name a field that they refuse, in the order in which one of several is given up."""


BEGINNING = 4000
"""Characters of a refusal that are looked at: it may say a request of megabytes back."""


def field_named(said: str) -> str:
    """Which of our fields a server's refusal is about, as far as its words say; '' for none."""
    said = said[:BEGINNING]
    return next((name for name, words in _NAMED.items() if words.search(said)), "")


class Fields:
    """Which fields one model's server takes, as far as its replies have shown.

    gone: those that are left out, LENGTH for one that is sent as NEW_LENGTH.
    """

    def __init__(self, model: str) -> None:
        self.gone: frozenset[str] = frozenset()
        self._model = model
        self._held = False

    def without(self, sent: Set[str], error: BackendError) -> Set[str] | None:
        """What is to be left out of a request that failed; None where it is to fail.

        sent: its fields. A field that the server names is given up at once. A schema may also be
        what made an engine fail without a word: then it is for `took` to say.
        """
        if error.field in sent:
            self._give_up(error.field, error)
            return self.gone
        if SCHEMA in sent and not self._held and error.kind in ("bad_request", "server"):
            return self.gone | {SCHEMA}
        return None

    def took(self, sent: Set[str], doubt: BackendError | None) -> None:
        """Learn from a reply. doubt: the failure of the same request with a schema."""
        if doubt is not None:
            self._give_up(SCHEMA, doubt)
        self._held = self._held or SCHEMA in sent

    def _give_up(self, field: str, error: BackendError) -> None:
        if field in self.gone:
            return
        self.gone |= {field}
        # Once for all backends of a model: its recipes, its judge and what answers are several.
        if (told := (self._model, field)) not in _told:
            _told.add(told)
            now = f"as `{NEW_LENGTH}`" if field == LENGTH else "without it"
            _log.warning("%s; it takes no `%s`, and is asked %s from here on", error, field, now)


_told: set[tuple[str, str]] = set()
