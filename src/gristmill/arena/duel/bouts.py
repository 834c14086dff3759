"""The battles of a config: prompts, pairs, and the answers that are there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from gristmill.arena.battles import Battle
from gristmill.arena.contestants import Contestant
from gristmill.arena.duel.config import Config
from gristmill.arena.duel.pairs import Dealer, Pair, battle_id, sides
from gristmill.arena.duel.prompts import read_prompts, spoken
from gristmill.arena.read import read_battles
from gristmill.backends.identity import identity, lasting
from gristmill.backends.kept import Kept
from gristmill.intake.cells import Refused
from gristmill.records import Message, Prompt, prompt_id
from gristmill.storage import digest


@dataclass(frozen=True, slots=True)
class Bout:
    """Two answers to one prompt, before this judge decided. id: see `battle_id`, or that of the
    battle that was `fought` already."""

    id: str
    prompt: Prompt
    model_a: str
    model_b: str
    answer_a: str
    answer_b: str
    fought: Battle | None = None

    def vote(self, winner: str, judge: str, time: float) -> Battle:
        """What a judge decided. winner: the name of a model, or `tie`."""
        sides = {self.model_a: "model_a", self.model_b: "model_b"}
        decided = sides.get(winner, "tie")
        if self.fought is not None:
            return replace(self.fought, winner=decided, judge=judge, time=time)
        turns = spoken(self.prompt)
        first = next((m.content for m in turns if m.role == "user"), "")
        return Battle(
            id=self.id,
            model_a=self.model_a,
            model_b=self.model_b,
            winner=decided,
            prompt=first,
            conversation_a=(*turns, Message("assistant", self.answer_a)),
            conversation_b=(*turns, Message("assistant", self.answer_b)),
            judge=judge,
            time=time,
            turns=sum(m.role == "user" for m in turns),
            language=self.prompt.language,
            categories=(self.prompt.category,) if self.prompt.category else (),
        )


class Bouts:
    """All that a config wants fought, read anew at each pass: memory does not grow with it."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.models = config.models
        self._identities = [lasting(model_identity(model)) for model in config.models]

    def dealt(self) -> Iterator[tuple[Prompt, list[Pair]]]:
        """Each prompt with the pairs that meet on it."""
        pairs = self._config.pairs
        dealer = Dealer(
            len(self.models), None if pairs == "all" else pairs.per_prompt, self._config.seed
        )
        items = read_prompts(self._config.prompts)
        prompts = (item for item in items if isinstance(item, Prompt))
        for prompt in islice(prompts, self._config.limit):
            yield prompt, dealer.deal()

    def refused(self) -> Iterator[Refused]:
        """The rows of the prompt files that cannot be used."""
        for item in read_prompts(self._config.prompts):
            if isinstance(item, Refused):
                yield item

    def prompts_of(self, model: int) -> Iterator[Prompt]:
        """The prompts that one model has to answer."""
        return (p for p, pairs in self.dealt() if any(model in pair for pair in pairs))

    def answer_key(self, model: int, prompt: Prompt) -> str:
        """What an answer is stored under: who gave it, with which seed, to which prompt."""
        asked = [prompt.id, prompt_id(prompt.messages, prompt.tools)]
        return digest([self._identities[model], self._config.seed, asked])

    def fought(self, answers: Kept) -> Iterator[Bout | None]:
        """Every battle; None for one that lacks an answer."""
        for prompt, pairs in self.dealt():
            given = {
                model: answers.get(self.answer_key(model, prompt))
                for model in sorted({m for pair in pairs for m in pair})
            }
            for pair in pairs:
                texts = [found["text"] if (found := given[m]) else None for m in pair]
                yield self._bout(prompt, pair, *texts)
        yield from self._again()

    def _again(self) -> Iterator[Bout | None]:
        """The battles that were fought already, each once; None for one without texts, or in
        which the two models were not asked the same: no judge could compare their answers."""
        seen: set[str] = set()
        for source in self._config.battles:
            for battle in read_battles([source.file], source.columns):
                if not battle.id or battle.id in seen:
                    continue
                seen.add(battle.id)
                (*turns, a), (*others, b) = (
                    side or (None,) for side in (battle.conversation_a, battle.conversation_b)
                )
                if a is None or b is None or not turns or turns != others:
                    yield None
                    continue
                prompt = Prompt(battle.id, tuple(turns), language=battle.language)
                texts = a.content, b.content
                yield Bout(battle.id, prompt, battle.model_a, battle.model_b, *texts, battle)

    def _bout(self, prompt: Prompt, pair: Pair, one: str | None, two: str | None) -> Bout | None:
        if one is None or two is None:
            return None
        names = self.models[pair[0]].called, self.models[pair[1]].called
        texts = dict(zip(names, (one, two), strict=True))
        name = battle_id(spoken(prompt), texts)
        model_a, model_b = sides(name, names, self._config.seed)
        return Bout(name, prompt, model_a, model_b, texts[model_a], texts[model_b])


def model_identity(model: Contestant) -> dict[str, Any]:
    """What decides a model's answers, under whatever name."""
    return identity(model, "name", "alias")
