"""Every form of row that is known: the columns that show it, what it gives, and who reads it.

A form is known by a row's columns, so that a file needs no settings unless its columns have other
names. docs/data.md is made of this table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gristmill.intake import conversations as talk
from gristmill.intake import pairs
from gristmill.intake.cells import Row, Unusable
from gristmill.intake.outcomes import WINNERS
from gristmill.intake.record import CONVERSATION, ITEM, PAIR, PROMPT, RATED, TEXT, Content
from gristmill.intake.votes import logged, vote
from gristmill.nemotron.chat import TURN
from gristmill.records import ATTRIBUTES

_PAIRS = (PAIR, ITEM, PROMPT)
_SCORES = (
    *("chosen_score", "chosen_reward", "score_chosen"),
    *("rejected_score", "rejected_reward", "score_rejected"),
)


@dataclass(frozen=True, slots=True)
class Form:
    """A form of row. name: as a config may say it (`format:`). shows: the columns that tell it, of
    a tuple one. reads: more that it obeys. gives: kinds. like: whose rows these are."""

    name: str
    shows: tuple[str | tuple[str, ...], ...]
    reads: tuple[str, ...]
    gives: tuple[str, ...]
    read: Callable[[Row], Content]
    like: str

    @property
    def columns(self) -> frozenset[str]:
        """Every column that it may read."""
        shown = (
            c for column in self.shows for c in ((column,) if isinstance(column, str) else column)
        )
        return frozenset((*shown, *self.reads))


FORMS = {
    form.name: form
    for form in (
        Form("prompt", ("prompt",), (), (PROMPT,), talk.asked_only, "prompts; verl; TRL's prompts"),
        Form("question", (talk.QUESTIONS,), (), (PROMPT,), talk.question,
             "GSM8K, MATH, TriviaQA: `answer` is the truth"),
        Form("turns", ("turns",), (), (PROMPT,), talk.turns_listed, "MT-Bench, with one turn"),
        Form("messages", (talk.TURNS,), ("prompt", *talk.REPLIES),
             (CONVERSATION, PROMPT), talk.conversation,
             "OpenAI's messages, ShareGPT, Hermes, Nemotron post-training"),
        Form("rated_messages", (talk.TURNS,), ("prompt", *ATTRIBUTES),
             (RATED, CONVERSATION, PROMPT), talk.rated_conversation, "NeMo-Aligner"),
        Form("helpsteer2", ("prompt", "response"), ("instruction", "input", *ATTRIBUTES),
             (RATED, CONVERSATION, PROMPT), talk.replied, "HelpSteer 1, 2; our `scored`"),
        Form("completion", ("prompt", "completion"), ("instruction", "input"),
             (CONVERSATION, PROMPT), talk.replied, "TRL's prompt and completion"),
        Form("instruction", ("instruction",), (*talk.REPLIES, "input", "context", "instances"),
             (CONVERSATION, PROMPT), talk.instruction, "Alpaca, Dolly, self-instruct"),
        Form("input_output", ("input", "output"), (), (CONVERSATION, PROMPT), talk.replied,
             "Nemotron post-training"),
        Form("unpaired", (("prompt", *talk.TURNS), "label"),
             ("completion", "response"), _PAIRS, talk.liked, "KTO"),
        Form("preference", ("chosen", "rejected"),
             ("prompt", *talk.TURNS, "preference_strength", "num_correct", *_SCORES), _PAIRS,
             pairs.chosen_rejected,
             "TRL, UltraFeedback binarised, HH-RLHF, RewardBench 1 and 2, RM-Bench"),
        Form("helpsteer2_preference", ("response_1", "response_2"),
             ("prompt", "preference_strength"), _PAIRS, pairs.numbered, "HelpSteer2-Preference"),
        Form("helpsteer3", ("context", "response1", "response2"), ("overall_preference",), _PAIRS,
             pairs.numbered, "HelpSteer3"),
        Form("ultrafeedback", ("completions",), ("instruction", "prompt"), _PAIRS,
             pairs.ultrafeedback, "UltraFeedback"),
        Form("nectar", ("prompt", "answers"), (), _PAIRS, pairs.nectar, "Nectar"),
        Form("llmbar", ("input", "output_1", "output_2", "label"), (), _PAIRS,
             pairs.labelled("input", "output_1", "output_2", pairs.number_label), "LLMBar"),
        Form("judgebench", ("question", "response_A", "response_B", "label"), (), _PAIRS,
             pairs.labelled("question", "response_A", "response_B", pairs.arrow_label),
             "JudgeBench"),
        Form("pandalm", ("instruction", "response1", "response2", "annotator1"),
             ("input", *pairs.ANNOTATORS), _PAIRS,
             pairs.labelled("instruction", "response1", "response2", pairs.voted), "PandaLM"),
        Form("vote", ("model_a", "model_b"),
             (*WINNERS, "prompt", "response_a", "response_b", "conversation_a", "conversation_b"),
             _PAIRS, vote, "arena 33k, 55k, 100k, 140k; gristmill's battles"),
        Form("vote_log", ("type", "states"), ("models", "tstamp", "ip"), _PAIRS, logged,
             "FastChat's log of its arena"),
        Form("nemotron_text", ("text",), ("label",), (RATED, CONVERSATION, TEXT, PROMPT),
             talk.nemotron_text, f"texts with {TURN}"),
        Form("hh_text", ("text",), (), (CONVERSATION, TEXT, PROMPT), talk.hh_text,
             "texts with Human: and Assistant:"),
        Form("text", ("text",), (), (TEXT,), talk.document, "texts"),
    )
}  # fmt: skip


def recognise(row: Row) -> Form:
    """The form that a row's columns show; raises Unusable where they show none."""
    return FORMS[_name(row)]


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
    if "prompt" in keys and isinstance(row.get("answers"), list):
        return "nectar"
    labelled = isinstance(row.get("label"), bool)
    if any(name in keys for name in talk.TURNS):
        if labelled:
            return "unpaired"
        turns = row.get(talk.turns_field(row))
        rated = isinstance(turns, list) and any(map(talk.has_labels, turns))
        return "rated_messages" if rated or talk.is_labelled(row) else "messages"
    if "prompt" in keys and ("response" in keys or "completion" in keys):
        if labelled:
            return "unpaired"
        return "helpsteer2" if "response" in keys else "completion"
    if "instruction" in keys:
        return "instruction"
    if "input" in keys and "output" in keys:
        return "input_output"
    if "prompt" in keys:
        return "prompt"
    if any(name in keys for name in talk.QUESTIONS):
        return "question"
    if isinstance(row.get("turns"), list):
        return "turns"
    if isinstance(text := row.get("text"), str):
        if TURN in text:
            return "nemotron_text"
        human = text.lstrip().startswith("Human:") and "\n\nAssistant:" in text
        return "hh_text" if human else "text"
    raise Unusable(
        "unknown_format",
        f"columns {', '.join(map(str, row)) or 'none'} are no known format ({', '.join(FORMS)}); "
        "name them with `columns`, for instance {prompt: question, response: reply}",
    )
