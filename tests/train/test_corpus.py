"""What is trained on and what is measured on: nothing on both sides; and the order of an epoch."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.errors import ConfigError, DataError
from gristmill.intake.labels import Labels
from gristmill.records import Message
from gristmill.train.corpus import Corpus, constant_labels, epoch, gather
from gristmill.train.examples import Compared, Conversation, Document, Rated, prompt_of
from gristmill.train.sources import TrainingSource


def lines(path: Path, rows: list[dict[str, Any]], **options: Any) -> TrainingSource:
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return TrainingSource(file=str(path), **options)


def rated(prompt: str, response: str, helpfulness: float = 1) -> dict[str, Any]:
    return {"prompt": prompt, "response": response, "helpfulness": helpfulness}


def conversations(*texts: str) -> list[dict[str, Any]]:
    return [{"prompt": text, "response": "A"} for text in texts]


def keys(examples: Any) -> set[str]:
    return {prompt_of(example) for example in examples}


class TestSplit:
    @given(
        st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3)), min_size=1, max_size=40),
        st.floats(0, 0.5),
        st.integers(0, 3),
    )
    def test_no_prompt_is_on_both_sides_whatever_the_rows(
        self,
        tmp_path_factory: pytest.TempPathFactory,
        rows: list[tuple[int, int]],
        share: float,
        seed: int,
    ) -> None:
        # Prompts differ in nothing but case and white space: they count as one.
        ways = ("Prompt {}", "PROMPT  {}", "prompt\n{} ", "Prompt {}")
        given = [rated(ways[way].format(n), str(way)) for n, way in rows]
        source = lines(tmp_path_factory.mktemp("split") / "f.jsonl", given)
        corpus = gather([source], (Rated,), validation=share, seed=seed)
        assert not keys(corpus.train) & keys(corpus.validation)
        assert corpus.train
        assert len(corpus.train) == len(corpus.weights)
        prompts = len({n for n, _ in rows})
        assert bool(corpus.validation) == (share > 0 and prompts > 1)
        read = len(corpus.train) + len(corpus.validation) + len(corpus.refused)
        assert read == len(rows)
        assert gather([source], (Rated,), validation=share, seed=seed) == corpus

    def test_conversations_that_begin_alike_are_on_one_side(self, tmp_path: Path) -> None:
        rows = []
        for number in range(60):
            turns = [
                ("user", f"Q{number}"),
                ("assistant", "A"),
                ("user", "more"),
                ("assistant", "B"),
            ]
            for length in (2, 4):
                messages = [{"role": role, "content": text} for role, text in turns[:length]]
                rows.append({"messages": messages})
        corpus = gather([lines(tmp_path / "f.jsonl", rows)], (Conversation,), validation=0.3)
        assert len(corpus.train) + len(corpus.validation) == 120
        assert 15 < len(corpus.validation) < 60
        assert not keys(corpus.train) & keys(corpus.validation)

    def test_more_data_moves_no_prompt_and_another_seed_does(self, tmp_path: Path) -> None:
        texts = [f"Q{n}" for n in range(400)]
        few = lines(tmp_path / "few.jsonl", conversations(*texts[:200]))
        many = lines(tmp_path / "many.jsonl", conversations(*texts))
        one, more = (gather([s], (Conversation,), validation=0.2) for s in (few, many))
        assert keys(one.validation) <= keys(more.validation)
        assert not keys(one.train) & keys(more.validation)
        assert 0.13 < len(more.validation) / 400 < 0.27
        other = gather([many], (Conversation,), validation=0.2, seed=1)
        assert keys(other.validation) != keys(more.validation)

    def test_two_prompts_are_enough_for_both_sides(self, tmp_path: Path) -> None:
        for seed in range(20):
            source = lines(tmp_path / "f.jsonl", conversations("a", "b"))
            for share in (0.001, 0.5):
                corpus = gather([source], (Conversation,), validation=share, seed=seed)
                assert (len(corpus.train), len(corpus.validation)) == (1, 1)

    def test_one_prompt_is_trained_on(self, tmp_path: Path) -> None:
        source = lines(tmp_path / "f.jsonl", conversations("a"))
        corpus = gather([source], (Conversation,), validation=0.5)
        assert (len(corpus.train), corpus.validation) == (1, ())

    @pytest.mark.parametrize("share", [-0.1, 0.51, 1])
    def test_another_share_is_refused(self, tmp_path: Path, share: float) -> None:
        source = lines(tmp_path / "f.jsonl", conversations("a", "b"))
        with pytest.raises(ConfigError, match=r"validation: .* is no share from 0 to 0\.5"):
            gather([source], (Conversation,), validation=share)


class TestValidationOfItsOwn:
    def test_its_prompts_are_taken_out_of_the_training_data(self, tmp_path: Path) -> None:
        train = lines(tmp_path / "train.jsonl", conversations("a", "b", "c", "B "))
        held = lines(tmp_path / "held.jsonl", [*conversations("b", "d"), {"prompt": "x"}])
        corpus = gather([train], (Conversation,), validation=[held])
        assert [e.where for e in corpus.train] == ["train.jsonl:1", "train.jsonl:3"]
        assert [e.where for e in corpus.validation] == ["held.jsonl:1", "held.jsonl:2"]
        said = [(r.where, r.reason) for r in corpus.refused]
        assert said == [
            ("train.jsonl:2", "leaks_into_validation"),
            ("train.jsonl:4", "leaks_into_validation"),
            ("held.jsonl:3", "wrong_kind"),
        ]

    def test_when_all_of_it_leaks_nothing_is_left(self, tmp_path: Path) -> None:
        source = lines(tmp_path / "f.jsonl", conversations("a", "b"))
        message = r"no example is left to train on \(2 leaks_into_validation\); add data"
        with pytest.raises(DataError, match=message):
            gather([source], (Conversation,), validation=[source])


def test_the_same_example_again_is_refused_and_another_answer_is_not(tmp_path: Path) -> None:
    one = lines(tmp_path / "one.jsonl", [rated("a", "x"), rated("a", "y"), rated("a", "x", 2)])
    two = lines(tmp_path / "two.jsonl", [rated("b", "x"), rated("a", "x")], weight=3)
    corpus = gather([one, two], (Rated,), validation=0)
    assert [e.where for e in corpus.train] == [f"one.jsonl:{n}" for n in (1, 2, 3)] + [
        "two.jsonl:1"
    ]
    (again,) = corpus.refused
    assert (again.where, again.reason) == ("two.jsonl:2", "duplicate")
    assert again.detail == "the same as one.jsonl:1"
    assert corpus.weights == (1, 1, 1, 3)


def test_two_equal_turns_of_one_row_are_one_example(tmp_path: Path) -> None:
    turn = {"role": "assistant", "content": "A", "label": [1, 2, 3, 4, 0]}
    row = {"messages": [{"role": "user", "content": "Q"}, turn]}
    corpus = gather([lines(tmp_path / "f.jsonl", [row, row])], (Rated,), validation=0)
    assert len(corpus.train) == 1


def test_each_source_is_accounted_for(tmp_path: Path) -> None:
    turns = [{"role": r, "content": f"{r}{n}"} for n in range(2) for r in ("user", "assistant")]
    for turn in turns[1::2]:
        turn["label"] = [1, 2, 3, 4, 0]  # type: ignore[assignment]
    one = lines(tmp_path / "one.jsonl", [{"messages": turns}, {"x": 1}, rated("a", " ")])
    pairs = [{"prompt": f"p{n}", "chosen": "y", "rejected": "n"} for n in range(20)]
    two = lines(tmp_path / "two.jsonl", [*pairs, pairs[0]], weight=0.5)
    corpus = gather([one, two], (Rated, Compared), validation=0.2)
    first, second = corpus.sources
    assert (first.file, first.weight, first.rows) == (one.file, 1, 3)
    assert first.train + first.validation == 2
    assert first.refused == {"unknown_format": 1, "empty_response": 1}
    assert (second.rows, second.weight, second.refused) == (21, 0.5, {"duplicate": 1})
    assert second.train + second.validation == 20
    assert second.validation == sum(isinstance(e, Compared) for e in corpus.validation)


def corpus_of(groups: list[list[float]]) -> Corpus:
    """A corpus of rated responses; each inner list is a prompt's weights."""
    train, weights = [], []
    for prompt, members in enumerate(groups):
        for number, weight in enumerate(members):
            message = (Message("user", f"p{prompt}"),)
            train.append(Rated(message, str(number), (1, 1, 1, 1, 1), f"f:{prompt}.{number}"))
            weights.append(weight)
    return Corpus(tuple(train), (), tuple(weights), (), ())


class TestEpoch:
    @given(
        st.lists(
            st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0, 1.3, 2.0, 3.5]), min_size=1, max_size=4),
            min_size=1,
            max_size=20,
        ),
        st.integers(0, 5),
    )
    def test_every_example_is_seen_as_often_as_its_weight_says(
        self, groups: list[list[float]], number: int
    ) -> None:
        corpus = corpus_of(groups)
        order = epoch(corpus, number, seed=3)
        seen = Counter(order)
        for index, weight in enumerate(corpus.weights):
            assert int(weight) <= seen[index] <= int(weight) + (weight % 1 > 0)
        for weight in set(corpus.weights):
            places = (i for i, w in enumerate(corpus.weights) if w == weight)
            having = {i: prompt_of(corpus.train[i]) for i in places}
            prompts = set(having.values())
            more = {prompt for i, prompt in having.items() if seen[i] > int(weight)}
            assert abs(len(more) - (weight % 1) * len(prompts)) < 1
        assert epoch(corpus_of(groups), number, seed=3) == order

    def test_examples_of_a_prompt_stay_together(self) -> None:
        corpus = corpus_of([[1.0] * 5 for _ in range(50)])
        order = epoch(corpus, 0, 0)
        assert sorted(order) == list(range(250))
        prompts = [prompt_of(corpus.train[i]) for i in order]
        changes = sum(a != b for a, b in pairwise(prompts))
        assert changes == 49
        assert order != list(range(250))

    def test_epochs_and_seeds_differ(self) -> None:
        corpus = corpus_of([[0.5]] * 100)
        orders = {tuple(epoch(corpus, n, s)) for n in range(3) for s in range(3)}
        assert len(orders) == 9
        assert len({tuple(sorted(order)) for order in orders}) == 9
        assert {len(order) for order in orders} == {50}

    def test_a_prompt_that_is_shown_twice_is_shown_at_different_places(self) -> None:
        order = epoch(corpus_of([[2.0]] * 100), 0, 0)
        assert Counter(order) == dict.fromkeys(range(100), 2)
        for index in range(100):
            first, second = (place for place, i in enumerate(order) if i == index)
            assert first < 100 <= second

    def test_sources_of_different_weight_are_mixed_all_along(self) -> None:
        order = epoch(corpus_of([[1.0]] * 200 + [[3.0]] * 200), 0, 0)
        for begin in range(0, 800, 200):
            ones = sum(i < 200 for i in order[begin : begin + 200])
            assert 30 < ones < 70

    def test_a_part_that_is_less_than_one_prompt_is_drawn_in_the_mean(self) -> None:
        corpus = corpus_of([[0.25]])
        seen = sum(len(epoch(corpus, n, 0)) for n in range(400))
        assert 60 < seen < 140


def test_attributes_that_never_differ_are_named() -> None:
    def one(*labels: float | None) -> Rated:
        return Rated((Message("user", "Q"),), "A", labels, "f:1")  # type: ignore[arg-type]

    examples = [one(1, 4, None, 0, 2), Document("x", "f:2"), one(2, 4, None, None, 2)]
    assert constant_labels(examples) == {"correctness": 4, "complexity": 0, "verbosity": 2}
    assert constant_labels([]) == {}
    given: Labels = (None,) * 5
    assert constant_labels([one(*given)]) == {}
