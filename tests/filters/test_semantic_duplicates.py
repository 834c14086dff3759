"""Near duplicates in meaning: what is dropped, what stays, and what the evidence says."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest

from gristmill.backends import open_embedding
from gristmill.errors import ConfigError
from gristmill.filters.semantic_duplicates import SemanticDuplicates
from gristmill.mill import Config
from gristmill.parts import open_part
from gristmill.records import Drop, Prompt, Response, Sample, Verdict
from gristmill.similarity.vectors import pack, unit
from mills import prompt, verdict


def embedded(
    index: int, *vectors: Sequence[float], of: str = "response", text: str = "x"
) -> Sample:
    verdicts = tuple(Verdict("embedding", "m", None, vector=pack(of, unit(v))) for v in vectors)
    return Sample(index, Response(text, "m"), verdicts)


def by_echo(index: int, text: str) -> Sample:
    """A sample whose embedding counts the words of its text."""

    async def vector() -> np.ndarray:
        async with open_embedding("scripted:echo") as backend:
            return (await backend.embed(text)).vector

    return embedded(index, asyncio.run(vector()).tolist(), text=text)


P, Q = prompt("p?", "p"), prompt("q?", "q")


def test_the_first_stays_and_the_evidence_names_it_with_the_cosine() -> None:
    filter_ = SemanticDuplicates()
    assert filter_.reason(P, embedded(3, [1, 0, 0])) == ""
    assert filter_.reason(P, embedded(4, [0, 1, 0])) == ""
    found = filter_.reason(Q, embedded(0, [1, 0.2, 0]))
    assert found == Drop("semantic_duplicates", "of p.3, cosine 0.98")
    assert filter_.reason(Q, embedded(1, [1, 0.6, 0])) == ""
    # Of two that are near enough it names the nearer.
    assert filter_.reason(Q, embedded(2, [1, 0.5, 0])) == Drop(
        "semantic_duplicates", "of q.1, cosine 1.00"
    )


def test_what_was_dropped_is_not_compared_with() -> None:
    filter_ = SemanticDuplicates(threshold=0.9)
    turned = [[np.cos(angle), np.sin(angle)] for angle in (0.0, 0.4, 0.8)]
    reasons = [filter_.reason(P, embedded(i, each)) for i, each in enumerate(turned)]
    assert [bool(reason) for reason in reasons] == [False, True, False]


def test_reworded_texts_are_dropped_and_others_are_kept() -> None:
    filter_ = SemanticDuplicates(threshold=0.8)
    texts = [
        "Water boils at one hundred degrees at sea level.",
        "At sea level water boils at one hundred degrees, always.",
        "Copper conducts electricity well because its electrons move freely.",
        "Copper conducts electricity well since its electrons move freely.",
        "Water freezes at zero; higher pressure lowers that point a little.",
    ]
    reasons = [filter_.reason(P, by_echo(i, text)) for i, text in enumerate(texts)]
    assert [bool(reason) for reason in reasons] == [False, True, False, True, False]


def test_samples_of_one_prompt_share_it() -> None:
    filter_ = SemanticDuplicates(of="prompt")
    for index in range(3):
        assert filter_.reason(P, embedded(index, [1, 0], of="prompt")) == ""
    for index in range(2):
        found = filter_.reason(Q, embedded(index, [1, 0.1], of="prompt"))
        assert found == Drop("semantic_duplicates", "of p, cosine 1.00")
    # Two prompts with one text and two answers are two prompts all the same.
    assert filter_.reason(Prompt("r", P.messages), embedded(0, [1, 0], of="prompt")) != ""


def test_only_the_vector_of_what_is_compared_counts() -> None:
    filter_ = SemanticDuplicates(of="row")
    mixed = embedded(0, [1, 0], of="response").verdicts + embedded(0, [0, 1, 0], of="row").verdicts
    assert filter_.reason(P, Sample(0, Response("x", "m"), (verdict(1.0), *mixed))) == ""
    assert filter_.reason(P, embedded(1, [0, 1, 0], of="row")) != ""


@pytest.mark.parametrize("verdicts", [(), (verdict(1.0),)])
def test_a_response_without_an_embedding_is_dropped_with_advice(verdicts: tuple[Verdict]) -> None:
    sample = Sample(0, Response("x", "m"), verdicts)
    found = SemanticDuplicates().reason(P, sample)
    advice = "add `embedding: {model: ..., of: response}` to `judges`"
    assert found == Drop("semantic_duplicates:no_embedding", advice)
    of_prompt = SemanticDuplicates(of="prompt").reason(P, embedded(0, [1, 0]))
    assert isinstance(of_prompt, Drop)
    assert of_prompt.reason == "semantic_duplicates:no_embedding"


def test_a_vector_of_another_model_is_never_taken_for_new() -> None:
    filter_ = SemanticDuplicates()
    assert filter_.reason(P, embedded(0, [1, 0])) == ""
    found = filter_.reason(P, embedded(1, [1, 0, 0]))
    what = "its embedding has 3 numbers where the first has 2"
    assert found == Drop("semantic_duplicates:other_model", what)
    assert filter_.reason(P, embedded(2, [0, 1])) == ""


def config(judges: list[object], **options: object) -> Config:
    return Config.of(
        {
            "prompts": {"file": "p.jsonl"},
            "generate": {"model": "scripted:echo"},
            "judges": judges,
            "keep": [{"dedup": {}}, {"semantic_duplicates": options}],
        }
    )


MODEL = {"model": "scripted:echo"}


@pytest.mark.parametrize(
    ("judges", "options", "why"),
    [
        ([], {}, "no judge embeds anything; add `embedding: .*of: response"),
        ([{"reward": MODEL}], {"of": "row"}, "no judge embeds anything; add `embedding: .*of: row"),
        (
            [{"embedding": {**MODEL, "of": "prompt"}}],
            {},
            r"no judge embeds the response \(only prompt\); add `embedding: .*of: response",
        ),
    ],
)
def test_a_config_without_its_judge_is_refused_when_it_is_read(
    judges: list[object], options: dict[str, object], why: str
) -> None:
    with pytest.raises(ConfigError, match=rf"^keep\[1\].semantic_duplicates: {why}"):
        config(judges, **options)


def test_a_config_with_its_judge_is_taken() -> None:
    both = [{"embedding": MODEL}, {"embedding": {**MODEL, "of": "prompt"}}]
    assert config(both, of="prompt").export == ["sft"]
    assert config([*both, {"reward": MODEL}]).export == ["sft", "preference", "scored"]


@pytest.mark.parametrize("threshold", [0, -0.5, 1.1])
def test_a_threshold_is_above_0_and_at_most_1(threshold: float) -> None:
    with pytest.raises(ConfigError, match=r"k\.semantic_duplicates\.threshold"):
        open_part("gristmill.filters", {"semantic_duplicates": {"threshold": threshold}}, "k")
