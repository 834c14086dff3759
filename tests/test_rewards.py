"""Judges as rewards of RL trainers, and prompts in the rows that these read."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from commands import Gristmill
from gristmill import rewards
from gristmill.errors import BackendError, ConfigError, InputError
from gristmill.intake.record import PROMPT
from gristmill.intake.source import Source
from gristmill.jobs.export import export
from gristmill.records import ATTRIBUTES
from servers import FaultyServer

SUMS = {"prompts": ["2+2?"] * 3, "completions": ["It is 4.", "5", "<think>5?</think>\n4"]}


def test_a_judge_is_a_reward_function() -> None:
    (math,) = rewards.functions("math")
    # Beside columns a trainer hands on what is none.
    more: dict[str, Any] = {"completion_ids": [[1], [2], [3]], "trainer_state": None}
    assert math(**SUMS, answer=["4"] * 3, **more) == [1.0, 0.0, 1.0]
    assert math(**SUMS) == [None] * 3, "no answer, no say"
    assert math.__name__ == "math"
    chats = [[{"role": "user", "content": "2+2?"}]], [[{"role": "assistant", "content": "4"}]]
    assert math(prompts=chats[0], completions=chats[1], answer=["4"]) == [1.0]


def test_five_attributes_are_five_functions_and_one_call() -> None:
    with FaultyServer() as server:
        found = rewards.functions({"reward": {"model": server.reward}}, attributes=True)
        assert [f.__name__ for f in found] == [f"reward_{name}" for name in ATTRIBUTES]
        said = [f(**SUMS) for f in found]
        assert server.requests == 3
    assert all(0 <= value <= 4 for row in said for value in row if value is not None)
    with pytest.raises(ConfigError, match="math gives no attributes"):
        rewards.functions("math", attributes=True)


def test_where_a_judge_fails_no_function_says_anything() -> None:
    with FaultyServer(status=500) as server:
        failing = {"reward": {"model": server.reward, "retries": 0}}
        math, reward = rewards.functions("math", failing)
        # One None alone would be added up as zero.
        assert math(**SUMS, answer=["4"] * 3) == reward(**SUMS, answer=["4"] * 3) == [None] * 3
        score = rewards.scorer(failing)
        with pytest.raises(BackendError):
            score("sums", "4", "4", {"question": "2+2?"})


def test_functions_are_called_from_threads() -> None:
    (math,) = rewards.functions("math")
    said: list[Any] = []
    threads = [
        threading.Thread(target=lambda: said.append(math(**SUMS, answer=["4"] * 3)))
        for _ in range(4)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert said == [[1.0, 0.0, 1.0]] * 4


def test_a_score_as_verl_asks_for_it() -> None:
    score = rewards.scorer("math", {"truth": {"match": "contains"}})
    assert score("gsm8k", "so it is #### 18", "18", {"question": "Eggs?"}, sandbox=None) == {
        "score": 1.0,
        "math": 1.0,
        "truth": 1.0,
    }
    with pytest.raises(InputError, match="no judge has a say"):
        score("gsm8k", "18", None)


@pytest.mark.parametrize(
    ("judges", "said"),
    [
        ((), "name one"),
        (({"llm": {"model": "scripted:echo", "how": "pairwise"}},), "compares responses"),
        (("maths",), "did you mean 'math'"),
    ],
)
def test_what_is_no_reward_is_an_error(judges: tuple[Any, ...], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        rewards.functions(*judges)


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
@pytest.mark.parametrize("trainer", ["trl", "verl"])
def test_exported_prompts_read_back_as_they_were(trainer: str, ending: str, tmp_path: Path) -> None:
    rows = [
        {"prompt": "2+2?", "answer": "4", "id": "a"},
        {"prompt": "f", "tests": "assert f() == 1", "id": "b"},
        {"prompt": "Say hi.", "constraints": [{"no_commas": {}}], "id": "c"},
        {"response": "nothing was asked"},
    ]
    source = tmp_path / "prompts.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = tmp_path / f"out.{ending}"
    done = export(str(source), trainer, out)
    assert done.rows == 3 and len(done.refused) == 1 and "prompts.jsonl:4" in done.refused[0]
    given = [r.prompt for r in Source(file=str(source)).records(PROMPT) if hasattr(r, "prompt")]
    back = [r.prompt for r in Source(file=str(out)).records(PROMPT)]  # type: ignore[union-attr]
    for one, other in zip(given, back, strict=True):
        assert (one.messages, one.answer) == (other.messages, other.answer)
        if trainer == "trl":
            assert (one.tests, one.constraints) == (other.tests, other.constraints)


def test_the_command_says_how_many(tmp_path: Path, gristmill: Gristmill) -> None:
    done = gristmill("export", "tutor:5", "--for", "openrlhf", "--out", tmp_path / "p.jsonl")
    assert (done.code, done.out) == (0, f"5 prompts: {tmp_path / 'p.jsonl'}\n")
    first = json.loads((tmp_path / "p.jsonl").read_text().splitlines()[0])
    assert first["input"][0]["role"] == "user" and first["label"]
    done = gristmill("export", "tutor:5", "--for", "trx", "--out", tmp_path / "p.jsonl")
    assert done.code == 2 and "write one of trl, verl, openrlhf" in done.err


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_trl_trains_on_them(tmp_path: Path) -> None:
    trl = pytest.importorskip("trl")
    import datasets

    from gristmill.nemotron.tiny import tiny_path

    out = tmp_path / "prompts.jsonl"
    export("tutor:16", "trl", out)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    (truth,) = rewards.functions({"truth": {"match": "contains"}})
    asked = []

    def reward(**given: Any) -> list[float | None]:
        asked.append(len(given["prompts"]))
        return [None if i % 2 else r for i, r in enumerate(truth(**given))]

    args = trl.GRPOConfig(
        output_dir=str(tmp_path),
        max_steps=2,
        per_device_train_batch_size=8,
        num_generations=4,
        max_completion_length=16,
        report_to=[],
        save_strategy="no",
        use_cpu=True,
        bf16=False,
    )
    trainer = trl.GRPOTrainer(
        model=str(tiny_path("instruct")),
        reward_funcs=reward,
        args=args,
        train_dataset=datasets.Dataset.from_list(rows),
    )
    trainer.train()
    assert asked == [8, 8]
    assert all(0 <= log.get("reward", 0) <= 1 for log in trainer.state.log_history)
