"""Near duplicates within a run and against files."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

pytest.importorskip("rensa")

from gristmill.errors import ConfigError
from gristmill.filters.near_duplicates import NearDuplicates
from gristmill.parts import open_part
from gristmill.records import Drop
from mills import prompt, sample


def text(seed: int, words: int = 150) -> str:
    rng = random.Random(seed)
    return " ".join(f"w{rng.randrange(9000)}" for _ in range(words))


def test_the_first_stays_and_the_evidence_names_it() -> None:
    filter_ = NearDuplicates()
    first, second = prompt("q1", "p1"), prompt("q2", "p2")
    assert filter_.reason(first, sample(3, text(1))) == ""
    assert filter_.reason(second, sample(0, text(2))) == ""
    drop = filter_.reason(second, sample(1, text(1).upper() + "!"))
    assert drop == Drop("near_duplicates", "of p1.3, similarity 1.00")
    near = filter_.reason(second, sample(2, text(1) + " and a few words more"))
    assert isinstance(near, Drop)
    assert near.evidence.startswith("of p1.3, similarity 0.9")


def test_what_was_dropped_is_not_compared_with() -> None:
    filter_ = NearDuplicates(threshold=0.75, permutations=1024)
    words = text(1).split()
    chain = [" ".join(words[shift : shift + 120]) for shift in (0, 12, 24)]
    reasons = [filter_.reason(prompt("q"), sample(i, each)) for i, each in enumerate(chain)]
    assert [bool(reason) for reason in reasons] == [False, True, False]


def test_samples_of_one_prompt_share_it() -> None:
    filter_ = NearDuplicates(of="prompt")
    long = text(1)
    for index in range(3):
        assert filter_.reason(prompt(long, "p1"), sample(index, "x")) == ""
    for index in range(2):
        drop = filter_.reason(prompt(long + " please", "p2"), sample(index, f"{index}"))
        assert isinstance(drop, Drop)
        assert drop.evidence.startswith("of p1, ")


def test_a_row_is_prompt_and_response() -> None:
    filter_ = NearDuplicates(of="row")
    assert filter_.reason(prompt(text(1), "p1"), sample(0, text(2))) == ""
    assert filter_.reason(prompt(text(3), "p2"), sample(0, text(2))) == ""
    assert filter_.reason(prompt(text(1) + " x", "p3"), sample(0, text(2))) != ""


@pytest.mark.parametrize(
    ("of", "row"),
    [
        ("response", {"prompt": "q", "response": text(1)}),
        ("response", {"messages": [{"role": "user", "content": "q"},
                                   {"role": "assistant", "content": text(1)}]}),
        ("response", {"output": text(1), "instruction": "q"}),
        ("prompt", {"prompt": text(5), "response": "a"}),
        ("row", {"prompt": text(5), "response": text(1)}),
    ],
)  # fmt: skip
def test_files_are_compared_with(tmp_path: Path, of: str, row: dict[str, object]) -> None:
    (tmp_path / "corpus.jsonl").write_text(json.dumps(row) + "\n")
    options = {"against": ["corpus.jsonl"], "of": of}
    part = open_part("gristmill.filters", {"near_duplicates": options}, "k").located(tmp_path)
    drop = part.reason(prompt(text(5), "p"), sample(0, text(1)))
    assert drop == Drop("near_duplicates", "of corpus.jsonl:1, similarity 1.00")
    assert part.reason(prompt(text(6), "p"), sample(0, text(2))) == ""


def test_each_pass_decides_alike() -> None:
    rows = [text(n % 7, 40 + n % 3) for n in range(60)]

    def once() -> list[str | Drop]:
        filter_ = NearDuplicates(threshold=0.7)
        return [filter_.reason(prompt("q"), sample(i, each)) for i, each in enumerate(rows)]

    assert once() == once()


def test_a_column_has_no_place_with_rows() -> None:
    with pytest.raises(ConfigError, match="'column' is one text"):
        open_part("gristmill.filters", {"near_duplicates": {"of": "row", "column": "a"}}, "k")
