"""The judge that embeds: what it asks for, what is kept of it, and what a run with it exports."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import gristmill
import scripts
from gristmill import mill
from gristmill.backends import open_embedding
from gristmill.errors import BackendError, BackendFatal, ConfigError
from gristmill.judges.embedding import RECENT, Embedding
from gristmill.mill.budget import Spent
from gristmill.mill.journal import Journal
from gristmill.records import Message, Prompt, Response, Sample, Verdict, prompt_id
from gristmill.report import overview
from gristmill.report.agreement import measure_judges
from gristmill.report.folder import open_run
from gristmill.similarity.vectors import unpack
from mills import config, tables, write_prompts

asked: Counter[str] = Counter()
"""How often each text was embedded; what `failing` holds fails, what `fatal` holds ends all."""
failing: set[str] = set()
fatal: set[str] = set()


@pytest.fixture(autouse=True)
def _forget() -> None:
    scripts.forget()
    asked.clear()
    failing.clear()
    fatal.clear()


def by_digit(text: str) -> list[float]:
    """Texts with the same last digit of the question mean the same."""
    asked[text] += 1
    if text in fatal:
        raise BackendFatal("the embedder is gone")
    if text in failing:
        raise BackendError("timeout", "no reply in time")
    digit = int(text.partition("?")[0][-1])
    return [float(digit == n) for n in range(10)]


def embedding(**options: Any) -> dict[str, Any]:
    return {"embedding": {"model": f"scripted:{__name__}:by_digit", **options}}


GRADE: dict[str, Any] = {"reward": {"model": "scripted:scripts:grade"}}
UNLIKE: list[Any] = [{"semantic_duplicates": {}}]


def own(prompts: Path, *judges: Any, **changes: Any) -> mill.Config:
    generate = {"model": "scripted:scripts:answer", **changes.pop("generate", {})}
    return config(prompts, generate=generate, judges=list(judges), **{"keep": UNLIKE, **changes})


def talk(*contents: str) -> Prompt:
    roles = ("system", "user", "assistant", "user")
    messages = tuple(Message(r, c) for r, c in zip(roles, contents, strict=False))
    return Prompt(prompt_id(messages), messages)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "R"),
        ({"of": "response", "prefix": "query: "}, "query: R"),
        ({"of": "prompt"}, "A\nB\nC"),
        ({"of": "row", "prefix": "row: "}, "row: A\nB\nC\nR"),
    ],
)
def test_it_embeds_what_it_is_told(options: dict[str, Any], text: str) -> None:
    judge = Embedding(model="scripted:echo", **options)

    async def main() -> tuple[Verdict, Any]:
        async with judge.open() as backend, open_embedding("scripted:echo") as other:
            found = await judge.judge(backend, talk("S", "A", "B", "C"), Response("R", "m"))
            return found, await other.embed(text)

    verdict, wanted = asyncio.run(main())
    assert (verdict.judge, verdict.model, verdict.reward) == ("embedding", "scripted:echo", None)
    assert verdict.vector.startswith(f"{judge.of}:")
    assert unpack(verdict.vector) == pytest.approx(wanted.vector, abs=1e-3)
    assert verdict.tokens == wanted.tokens


def test_a_text_is_embedded_once_however_many_ask_and_a_failure_is_asked_again() -> None:
    judge = Embedding(**embedding(of="prompt")["embedding"])
    prompt = talk("S", "Question 7?")

    async def main() -> tuple[list[Any], list[Any]]:
        async with judge.open() as backend:

            async def ask(n: int) -> list[Any]:
                calls = (judge.judge(backend, prompt, Response(f"{i}", "m")) for i in range(n))
                return await asyncio.gather(*calls, return_exceptions=True)

            failing.add("Question 7?")
            failed = await ask(2)
            failing.clear()
            return failed, [*await ask(4), *await ask(4)]

    failed, found = asyncio.run(main())
    assert [type(one) for one in failed] == [BackendError] * 2
    assert asked == {"Question 7?": 3}
    assert len({one.vector for one in found}) == 1
    assert sum(one.tokens for one in found) == 3


def test_it_holds_no_more_than_the_latest_texts() -> None:
    judge = Embedding(model="scripted:echo")

    async def main() -> None:
        async with judge.open() as backend:
            for n in range(RECENT + 50):
                await judge.judge(backend, talk("S", "Q"), Response(f"text {n}", "m"))

    asyncio.run(main())
    assert len(judge._recent) == RECENT


def test_semantic_duplicates_are_dropped_in_the_order_of_the_input(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 25)
    ours = own(prompts, embedding(), generate={"model": "scripted:scripts:late"})
    outcome = mill.run(ours, tmp_path / "run")
    found = tables(outcome.folder)
    assert [row["response_id"] for row in found["sft"]] == [f"p{n}.0" for n in range(10)]
    dropped = {row["response_id"]: row["detail"] for row in found["rejected"]}
    assert dropped["p3.1"] == "of p3.0, cosine 1.00"
    assert dropped["p24.0"] == "of p4.0, cosine 1.00"
    assert outcome.metrics["reasons"] == {"semantic_duplicates": 40}
    assert outcome.metrics["tokens"]["judge"] > 0
    assert max(asked.values()) == 1


def test_with_it_alone_a_run_exports_what_a_run_without_judges_does(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 6)
    keep = [{"length": {"max_characters": 13}}, {"dedup": {}}]
    plain = mill.run(own(prompts, keep=keep), tmp_path / "plain")
    ours = mill.run(own(prompts, embedding(), keep=keep), tmp_path / "ours")

    def without_provenance(folder: Path) -> dict[str, Any]:
        found = tables(folder)
        for rows in found.values():
            for row in rows:
                row.pop("provenance")
        return found

    assert without_provenance(ours.folder) == without_provenance(plain.folder)
    assert len(tables(ours.folder)["sft"]) == 12
    same = ("prompts", "responses", "reasons", "rows")
    assert [ours.metrics[key] for key in same] == [plain.metrics[key] for key in same]


def test_preference_data_need_a_judge_that_grades(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="export: preference needs a judge that grades"):
        own(write_prompts(tmp_path, 1), embedding(), export=["sft", "preference"])


def test_beside_a_judge_that_grades_rewards_and_choice_are_that_judges(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 6)
    alone = mill.run(own(prompts, GRADE, keep=[]), tmp_path / "alone")
    both = mill.run(own(prompts, embedding(), GRADE, keep=[]), tmp_path / "both")
    before, after = tables(alone.folder), tables(both.folder)
    for name in ("sft", "preference", "scored"):
        assert len(before[name]) == len(after[name]) > 0
        for old, new in zip(before[name], after[name], strict=True):
            for column in set(old) - {"provenance", "judgements"}:
                assert old[column] == new[column]
    for row in after["scored"]:
        assert [(j["judge"], j["detail"]) for j in row["judgements"]] == [
            ("embedding", None),
            ("reward", None),
        ]


def test_no_vector_leaves_the_checkpoint(tmp_path: Path) -> None:
    ours = own(write_prompts(tmp_path, 6), embedding(), GRADE)
    outcome = gristmill.run(ours, tmp_path / "run")
    vectors = {
        verdict[7].partition(":")[2]
        for line in (outcome.folder / "checkpoint" / "finished.jsonl").read_text().splitlines()
        for sample in json.loads(line[9:])[1]
        for verdict in sample[2]
        if len(verdict) > 7
    }
    assert len(vectors) == 6
    data = json.dumps(tables(outcome.folder))
    page = (outcome.folder / "report.html").read_text()
    others = [(outcome.folder / name).read_text() for name in ("run.yaml", "metrics.json")]
    for vector in vectors:
        assert all(vector not in text for text in (data, page, *others))


def test_the_report_counts_it_neither_among_the_judges_nor_their_failures(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 8, answer="7")
    even = {"truth": {}}
    failing.add("Question 1?/0")
    scripts.ungradable.add("Question 2?/1")
    for judges in (
        [embedding(), GRADE, even],
        [GRADE, embedding(), even],
        [GRADE, even, embedding()],
    ):
        folder = tmp_path / f"{judges.index(embedding())}"
        gristmill.run(own(prompts, *judges, keep=[]), folder)
        found = measure_judges(open_run(folder))
        assert found is not None
        assert found.names == ["reward", "truth"]
        assert found.opinions[0].failed == {"bad_reply": 1}
        assert found.opinions[1].failed == {}
        assert [(a.first, a.second) for a in found.agreements] == [(0, 1)]
        told = "".join(text for text, _ in overview.lede(open_run(folder)))
        assert "scripts:grade and truth graded them" in told
        assert __name__ not in told
    gristmill.run(own(prompts, embedding(), GRADE, keep=[]), tmp_path / "two")
    assert measure_judges(open_run(tmp_path / "two")) is None


@pytest.mark.parametrize("judges", [[embedding()], [embedding(), GRADE], [GRADE, embedding()]])
def test_a_run_that_was_cut_off_embeds_nothing_twice(tmp_path: Path, judges: list[Any]) -> None:
    prompts = write_prompts(tmp_path, 20)
    ours = own(prompts, *judges, generate={"concurrency": 4})
    whole = mill.run(ours, tmp_path / "whole")
    asked.clear()
    for moment in ("Question 3?/1", "Question 11?/0", "Question 19?/1"):
        fatal.add(moment)
        with pytest.raises(BackendFatal, match="gone"):
            mill.run(ours, tmp_path / "run")
        fatal.clear()
        # It asked for this one, and no answer came.
        asked[moment] -= 1
    mill.run(ours, tmp_path / "run")
    assert set(asked.values()) == {1}
    assert len(asked) == 40
    assert tables(tmp_path / "run") == tables(whole.folder)


def test_another_threshold_on_an_old_folder_calls_nothing(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 12)
    assert mill.run(own(prompts, embedding()), tmp_path / "run").metrics["responses"]["kept"] == 10
    asked.clear()
    none = mill.run(own(prompts, embedding(), keep=[]), tmp_path / "run")
    assert (none.metrics["responses"]["kept"], asked) == (24, {})


def test_a_failed_embedding_is_a_rejected_row_and_tried_again(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 3)
    failing.add("Question 1?/0")
    first = mill.run(own(prompts, embedding(), keep=[]), tmp_path / "run")
    (row,) = tables(first.folder)["rejected"]
    assert (row["reason"], row["response"]) == ("error:timeout", "Question 1?/0")
    failing.clear()
    asked.clear()
    again = mill.run(own(prompts, embedding(), keep=[]), tmp_path / "run")
    assert (again.metrics["responses"]["failed"], asked) == (0, {"Question 1?/0": 1})


def test_a_target_counts_what_is_no_duplicate(tmp_path: Path) -> None:
    ours = own(write_prompts(tmp_path, 40), embedding(of="prompt"), target=7, keep=[
        {"semantic_duplicates": {"of": "prompt"}}
    ])  # fmt: skip
    outcome = mill.run(ours, tmp_path / "run")
    assert outcome.status == "target"
    assert outcome.metrics["prompts"]["accepted"] == 7


def test_checkpoints_of_before_there_were_vectors_open(tmp_path: Path) -> None:
    plain = Verdict("reward", "m", 1.5, (1.0, 2.0, 3.0, 4.0, 0.5), 7)
    told = Verdict("truth", "rules", None, detail="why", turns=(1.0, 2.0))
    new = Verdict("embedding", "m", None, tokens=3, vector="row:AAA=")
    sample = Sample(0, Response("R", "m"), (plain, told, new))
    journal = Journal(tmp_path)
    offset = journal.add_finished(5, (sample,), Spent())
    packed = journal._done.read(offset)[1][0][2]
    assert [len(verdict) for verdict in packed] == [5, 7, 8]
    assert journal.samples(offset, 5) == (sample,)
    journal.close()
