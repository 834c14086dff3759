"""Every form of row that is known: the columns that show it, what it gives, and who reads it.

A form is known by a row's columns, so that a file needs no settings unless its columns have other
names. docs/data.md is made of this table.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from gristmill.intake import conversations as talk
from gristmill.intake import labelled as told
from gristmill.intake import pairs, rankings
from gristmill.intake.asked import ASKS, MORE, QUESTIONS, REPLIES, TURNS, field_of, turns_field
from gristmill.intake.cells import Row, Unusable
from gristmill.intake.outcomes import WINNERS
from gristmill.intake.ratings import has_labels, is_labelled
from gristmill.intake.record import CONVERSATION, ITEM, PAIR, PROMPT, RATED, TEXT, Content
from gristmill.intake.votes import logged, vote
from gristmill.nemotron.chat import TURN
from gristmill.records import ATTRIBUTES

_PAIRS = (PAIR, ITEM, PROMPT)
_TALK = (CONVERSATION, PROMPT)
_RATED = (RATED, CONVERSATION, PROMPT)
MOST_SEEN = 4096
"""Different sets of columns that are remembered; more than these no data set has."""


@dataclass(frozen=True, slots=True)
class Form:
    """A form of row. name: as a config may say it (`format:`). shows: the columns that tell it, of
    a tuple one. gives: kinds. like: whose rows these are.

    What it may read: `asks` and those that show it; `answers`, which a prompt alone does not need;
    `says`, which rate or order answers.
    """

    name: str
    shows: tuple[str | tuple[str, ...], ...]
    gives: tuple[str, ...]
    read: Callable[[Row], Content]
    like: str
    asks: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    says: tuple[str, ...] = ()

    @property
    def columns(self) -> frozenset[str]:
        """Every column that it may read."""
        shown = (c for one in self.shows for c in ((one,) if isinstance(one, str) else one))
        return frozenset((*shown, *self.asks, *self.answers, *self.says))

    def used(self, kind: str, columns: Collection[str]) -> frozenset[str]:
        """What it reads of a row with these columns, where a kind is made of it."""
        used = self.columns
        if kind in (PROMPT, CONVERSATION, TEXT):
            used -= {*self.says}
        if kind == PROMPT and (used - {*self.answers}) & {*columns}:
            # Else the conversations that answer are what asks, too.
            used -= {*self.answers}
        return used

    def check(self, row: Row) -> None:
        """Raises Unusable where a column is missing without which the row is of another form."""
        for one in self.shows:
            if field_of(row, (one,) if isinstance(one, str) else one) is None:
                named = f"'{one}'" if isinstance(one, str) else " or ".join(map(repr, one))
                detail = f"no {named} (columns: {', '.join(map(str, row))})"
                raise Unusable("missing_field", detail)


FORMS = {
    form.name: form
    for form in (
        Form("prompt", ("prompt",), (PROMPT,), talk.asks_in("prompt"),
             "prompts; verl; TRL's prompts", asks=MORE),
        Form("question", (QUESTIONS,), (PROMPT,), talk.asks_in(*QUESTIONS),
             "GSM8K, MATH, TriviaQA: `answer` is the truth"),
        Form("question_response", (QUESTIONS, REPLIES), _TALK, talk.asks_in(*QUESTIONS),
             "OpenOrca, MetaMathQA", asks=("history",), answers=REPLIES),
        Form("tool_calls", ("query", "tools", "answers"), _TALK, talk.called, "xLAM",
             answers=("answers",)),
        Form("turns", ("turns",), (PROMPT,), talk.turns_listed, "MT-Bench, with one turn"),
        Form("task", ("text", "test_list"), (PROMPT,), talk.asks_in("text"), "MBPP"),
        Form("messages", (TURNS,), _TALK, talk.conversation,
             "OpenAI's messages, ShareGPT, Hermes, Nemotron post-training",
             asks=("prompt",), answers=REPLIES),
        Form("rated_messages", (TURNS,), _RATED, talk.conversation, "NeMo-Aligner",
             asks=("prompt",), answers=REPLIES, says=ATTRIBUTES),
        Form("helpsteer2", ("prompt", "response"), _RATED, talk.asks_in("prompt"),
             "HelpSteer 1, 2; our `scored`",
             asks=("instruction", *MORE), answers=("response",), says=ATTRIBUTES),
        Form("completion", ("prompt", "completion"), _TALK, talk.asks_in("prompt"),
             "TRL's prompt and completion", asks=("instruction", *MORE), answers=("completion",)),
        Form("instruction", ("instruction",), _TALK, talk.instruction,
             "Alpaca, Dolly, self-instruct", asks=MORE, answers=REPLIES),
        Form("input_output", ("input", "output"), _TALK, talk.asks_in("prompt", "input"),
             "Nemotron post-training", asks=("prompt", "history"), answers=("output",)),
        Form("unpaired", (ASKS, talk.LIKES), _PAIRS, talk.liked, "KTO",
             asks=MORE, answers=REPLIES, says=talk.LIKES),
        Form("preference", ("chosen", "rejected"), _PAIRS, pairs.chosen_rejected,
             "TRL, UltraFeedback binarised, HH-RLHF, RewardBench 1 and 2, RM-Bench",
             asks=(*ASKS, *MORE), answers=("chosen", "rejected"),
             says=("preference_strength", "num_correct", "status", *pairs.SCORES["chosen"],
                   *pairs.SCORES["rejected"])),
        Form("helpsteer2_preference", ("response_1", "response_2"), _PAIRS, pairs.numbered,
             "HelpSteer2-Preference", asks=("prompt",), answers=("response_1", "response_2"),
             says=("preference_strength",)),
        Form("helpsteer3", ("context", "response1", "response2"), _PAIRS, pairs.numbered,
             "HelpSteer3", asks=("prompt",), answers=("response1", "response2"),
             says=("overall_preference",)),
        Form("ultrafeedback", ("completions",), _PAIRS, rankings.ultrafeedback, "UltraFeedback",
             asks=ASKS, answers=("completions",)),
        Form("nectar", ("prompt", "answers"), _PAIRS, rankings.nectar, "Nectar",
             answers=("answers",)),
        Form("llmbar", ("input", "output_1", "output_2", "label"), _PAIRS,
             told.labelled("input", "output_1", "output_2", told.number_label), "LLMBar",
             answers=("output_1", "output_2"), says=("label",)),
        Form("judgebench", ("question", "response_A", "response_B", "label"), _PAIRS,
             told.labelled("question", "response_A", "response_B", told.arrow_label),
             "JudgeBench", answers=("response_A", "response_B"), says=("label",)),
        Form("pandalm", ("instruction", "response1", "response2", "annotator1"), _PAIRS,
             told.labelled("instruction", "response1", "response2", told.voted), "PandaLM",
             asks=MORE, answers=("response1", "response2"), says=told.ANNOTATORS),
        Form("vote", ("model_a", "model_b"), _PAIRS, vote,
             "arena 33k, 55k, 100k, 140k; gristmill's battles",
             asks=("prompt", "conversation_a", "conversation_b"),
             answers=("response_a", "response_b"), says=("model_a", "model_b", *WINNERS)),
        Form("vote_log", ("type", "states"), _PAIRS, logged, "FastChat's log of its arena",
             asks=("states",), says=("type", "models", "tstamp", "ip")),
        Form("nemotron_text", ("text",), (RATED, CONVERSATION, TEXT, PROMPT), talk.nemotron_text,
             f"texts with {TURN}", says=("label",)),
        Form("hh_text", ("text",), (CONVERSATION, TEXT, PROMPT), talk.hh_text,
             "texts with Human: and Assistant:"),
        Form("text", ("text",), (TEXT,), talk.document, "texts"),
    )
}  # fmt: skip


_TOLD_BY_VALUES = frozenset(("completions", "answers", *TURNS, *talk.LIKES, "turns", "text"))
_seen: dict[tuple[str, ...], Form] = {}
"""Forms by the columns of rows that were seen, where columns alone tell: nearly all rows of a file
have the same."""


def recognise(row: Row) -> Form:
    """The form that a row's columns show; raises Unusable where they show none."""
    columns = tuple(row)
    if (form := _seen.get(columns)) is None:
        form = FORMS[_name(row)]
        if _TOLD_BY_VALUES.isdisjoint(columns) and len(_seen) < MOST_SEEN:
            _seen[columns] = form
    return form


def _name(row: Row) -> str:
    keys = row.keys()
    if "chosen" in keys and "rejected" in keys:
        return "preference"
    if "model_a" in keys and "model_b" in keys:
        return "vote"
    if "type" in keys and "states" in keys:
        return "vote_log"
    for name in ("helpsteer2_preference", "helpsteer3", "llmbar", "judgebench", "pandalm"):
        if all(column in keys for column in FORMS[name].shows):
            return name
    if isinstance(row.get("completions"), list):
        return "ultrafeedback"
    if "prompt" in keys and _objects(row.get("answers")):
        return "nectar"
    answered = field_of(row, REPLIES) is not None
    if field_of(row, TURNS):
        if _is_liked(row):
            return "unpaired"
        turns = row.get(turns_field(row))
        rated = isinstance(turns, list) and any(map(has_labels, turns))
        return "rated_messages" if rated or is_labelled(row) else "messages"
    if answered and field_of(row, ASKS) and _is_liked(row):
        return "unpaired"
    if "prompt" in keys and ("response" in keys or "completion" in keys):
        return "helpsteer2" if "response" in keys else "completion"
    if "instruction" in keys:
        return "instruction"
    if "input" in keys and "output" in keys:
        return "input_output"
    return _asking(row, answered)


def _asking(row: Row, answered: bool) -> str:
    """Of a row that asks, or is a text."""
    if "prompt" in row:
        return "prompt"
    if FORMS["tool_calls"].columns <= row.keys():
        return "tool_calls"
    if field_of(row, QUESTIONS):
        return "question_response" if answered else "question"
    if isinstance(row.get("turns"), list):
        return "turns"
    if isinstance(text := row.get("text"), str):
        if "test_list" in row:
            return "task"
        if TURN in text:
            return "nemotron_text"
        human = text.lstrip().startswith("Human:") and "\n\nAssistant:" in text
        return "hh_text" if human else "text"
    if "chosen" in row or "rejected" in row:
        return "preference"
    raise Unusable(
        "unknown_format",
        f"columns {', '.join(map(str, row)) or 'none'} are no known format ({', '.join(FORMS)}); "
        "name them with `columns`, for instance {prompt: question, response: reply}",
    )


def _objects(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


def _is_liked(row: Row) -> bool:
    """Whether a row says of its answer that it is a good one: `kto_tag` says nothing else, `label`
    does where it is true or false. 1 and 0, which a table may hold for these, are a class of
    something in many data sets, and are taken so only beside `completion`, as TRL names it."""
    if "kto_tag" in row:
        return True
    said = str(row["label"]).strip().casefold() if "label" in row else ""
    return said in ("true", "false") or ("completion" in row and said in ("0", "1", "0.0", "1.0"))
