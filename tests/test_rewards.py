"""Judges as rewards of RL trainers, and prompts in the rows that these read."""

from __future__ import annotations

import asyncio
import json
import math
import re
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands import Gristmill
from gristmill import rewards
from gristmill.errors import BackendError, ConfigError, InputError
from gristmill.intake.record import PROMPT
from gristmill.intake.source import Source
from gristmill.jobs.export import export
from gristmill.jobs.run import run
from gristmill.judges.base import Rules
from gristmill.judges.truth import Truth
from gristmill.records import ATTRIBUTES
from servers import FaultyServer

(TRUTH,) = rewards.functions("truth")
SUMS = {"prompts": ["2+2?"] * 3, "completions": ["It is 4.", "5", "<think>5?</think>\n4"]}


def test_a_judge_is_a_reward_function() -> None:
    (judge,) = rewards.functions("math")
    # Beside columns a trainer hands on what is none.
    more: dict[str, Any] = {"completion_ids": [[1], [2], [3]], "trainer_state": None}
    assert judge(**SUMS, answer=["4"] * 3, **more) == [1.0, 0.0, 1.0]
    assert judge(**SUMS) == [None] * 3, "no answer, no say"
    assert judge.__name__ == "math"
    chats = [[{"role": "user", "content": "2+2?"}]], [[{"role": "assistant", "content": "4"}]]
    assert judge(prompts=chats[0], completions=chats[1], answer=["4"]) == [1.0]
    parts = [{"type": "text", "text": "4"}]
    image = [{"type": "image_url", "image_url": {"url": "data:,4"}}]
    for said, reward in ((parts, 1.0), (None, 0.0), ("<think>4", 0.0), (image, 0.0)):
        turn = [{"role": "assistant", "content": said, "reasoning_content": "5?"}]
        assert judge(prompts=chats[0], completions=[turn], answer=["4"]) == [reward]


MARKS = (
    "<think>",
    "</think>",
    "<tool_call>",
    "</tool_call>",
    '{"name": ',
    "[TOOL_CALLS]",
    "4",
    "\n",
)


@given(st.lists(st.sampled_from(MARKS) | st.text(max_size=8), max_size=8).map("".join))
def test_whatever_a_policy_writes_has_a_reward(text: str) -> None:
    chat = [{"role": "assistant", "content": text}]
    said = TRUTH(prompts=["2+2?"] * 2, completions=[text, chat], answer=["4"] * 2)
    assert said in ([0.0, 0.0], [1.0, 1.0])


def test_a_completion_with_tools_is_judged_with_its_steps() -> None:
    call = {"type": "function", "function": {"name": "add", "arguments": '{"a": 2}'}}
    said = [
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "4", "name": "add"},
        {"role": "assistant", "content": "It is 4."},
    ]
    tools = '[{"name": "add", "parameters": {"properties": {"a": {"type": "integer"}}}}]'
    with FaultyServer() as server:
        judges = rewards.functions("tools", "truth", {"reward": {"model": server.reward}})
        sample = {"prompts": ["2 + 2?"], "completions": [said], "tools": [tools]}
        right, true, _ = (f(**sample, answer=["It is 4."]) for f in judges)
        read = server.bodies[0]["messages"][-1]["content"]
    assert right == true == [1.0]
    assert read.startswith("<tool_call>") and read.endswith("</tool_response>\nIt is 4.")


def test_five_attributes_are_five_functions_and_one_call() -> None:
    with FaultyServer() as server:
        found = rewards.functions({"reward": {"model": server.reward}}, attributes=True)
        assert [f.__name__ for f in found] == [f"reward_{name}" for name in ATTRIBUTES]
        said = [f(**SUMS) for f in found]
        assert server.requests == 3
    assert all(0 <= value <= 4 for row in said for value in row if value is not None)
    with pytest.raises(ConfigError, match="math, truth: none gives attributes"):
        rewards.functions("math", "truth", attributes=True)


def test_attributes_and_rewards_stand_side_by_side() -> None:
    with FaultyServer(status=500) as server:
        failing = {"reward": {"model": server.reward, "retries": 0}}
        found = rewards.functions("math", failing, attributes=True)
        assert [f.__name__ for f in found] == ["math", *(f"reward_{name}" for name in ATTRIBUTES)]
        assert [f(**SUMS, answer=["4"] * 3) for f in found] == [[None] * 3] * 6


def test_where_a_judge_fails_no_function_says_anything(caplog: pytest.LogCaptureFixture) -> None:
    with FaultyServer(status=500) as server:
        failing = {"reward": {"model": server.reward, "retries": 0}}
        judge, reward = rewards.functions("math", failing)
        # One None alone would be added up as zero.
        assert judge(**SUMS, answer=["4"] * 3) == reward(**SUMS, answer=["4"] * 3) == [None] * 3
        (said,) = [r.getMessage() for r in caplog.records if r.name == "gristmill.rewards"]
        assert said.startswith("3 of 3 samples have no reward: server: ")
        score = rewards.scorer(failing)
        with pytest.raises(BackendError):
            score("sums", "4", "4", {"question": "2+2?"})


def test_functions_are_called_from_threads() -> None:
    (judge,) = rewards.functions("math")
    said: list[Any] = []
    threads = [
        threading.Thread(target=lambda: said.append(judge(**SUMS, answer=["4"] * 3)))
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
    with pytest.raises(InputError, match="neither 'prompt' nor 'question'"):
        rewards.scorer({"reward": {"model": "scripted:echo"}})("gsm8k", "18", "18", {})


def test_every_sample_of_verl_has_the_same_keys() -> None:
    score = rewards.scorer("truth", "format")
    both = [
        score("a", "4", "4", {"question": "2+2?"}),
        score("a", "4, so", "", {"question": "2+2?", "constraints": '[{"no_commas": {}}]'}),
    ]
    assert [one["score"] for one in both] == [1.0, 0.0]
    assert list(both[0]) == list(both[1]) == ["score", "truth", "format"]
    assert math.isnan(both[0]["format"]) and math.isnan(both[1]["truth"])


def test_a_score_goes_to_other_processes() -> None:
    score = rewards.scorer({"math": {}}, "truth")
    assert score("a", "4", "4")["score"] == 1.0
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        assert pool.submit(score, "a", "5", "4").result() == {
            "score": 0.0,
            "math": 0.0,
            "truth": 0.0,
        }


def test_a_row_of_pandas_is_a_row() -> None:
    asked = np.array([{"role": "user", "content": "2+2?"}], dtype=object)
    score = rewards.scorer("truth")
    assert score("a", "four", np.array(["4", "four"]), {"prompt": asked})["score"] == 1.0


def test_many_threads_open_a_judge_once(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []

    class Slow(Rules):
        async def __aenter__(self) -> Rules:
            opened.append(asyncio.get_running_loop())
            await asyncio.sleep(0.05)
            return self

    monkeypatch.setattr(Truth, "open", lambda self: Slow("truth"))
    score = rewards.scorer("truth")
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(score, "a", "4", "4", {"question": str(n)}) for n in range(16)]
        assert all(one.result()["truth"] == 1.0 for one in asked)
    assert len(opened) == 1


@pytest.mark.parametrize(
    ("judges", "said"),
    [
        ((), "name one"),
        (
            ({"llm": {"model": "scripted:echo", "how": "pairwise"}},),
            "a reward is of one",
        ),
        (("maths",), "did you mean 'math'"),
    ],
)
def test_what_is_no_reward_is_an_error(judges: tuple[Any, ...], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        rewards.functions(*judges)


ROWS = [
    {"prompt": "2+2?", "answer": "4", "id": "a", "language": "de"},
    {"prompt": "f", "tests": "assert f() == 1", "id": "b"},
    {"prompt": "Say hi.", "constraints": [{"no_commas": {}}], "id": "c"},
    {"response": "nothing was asked"},
]


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
@pytest.mark.parametrize("trainer", ["trl", "verl"])
def test_exported_prompts_read_back_as_they_were(
    trainer: str, ending: str, prompts: Path, tmp_path: Path
) -> None:
    datasets = pytest.importorskip("datasets")
    out = tmp_path / f"out.{ending}"
    done = export(prompts, trainer, out)
    assert done.rows == 3 and len(done.refused) == 1 and "prompts.jsonl:4" in done.refused[0]
    given = [r.prompt for r in Source(file=str(prompts)).records(PROMPT) if hasattr(r, "prompt")]
    back = [r.prompt for r in Source(file=str(out)).records(PROMPT)]  # type: ignore[union-attr]
    for one, other in zip(given, back, strict=True):
        assert (one.messages, one.answer) == (other.messages, other.answer)
        if trainer == "trl":
            assert one.id == other.id and one.language == other.language
            assert (one.tests, one.constraints) == (other.tests, other.constraints)
    kind = {"jsonl": "json"}.get(ending, ending)
    loaded = datasets.load_dataset(
        kind, data_files=str(out), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert loaded.num_rows == 3
    if trainer == "verl":
        score = rewards.scorer("format")
        said = score(
            "p", "Hi, you", loaded[2]["reward_model"]["ground_truth"], loaded[2]["extra_info"]
        )
        assert said == {"score": 0.0, "format": 0.0}


def test_a_run_gives_what_it_reads_and_its_recipes_wrote(tmp_path: Path) -> None:
    config = {
        "prompts": [
            {"file": "tutor:3"},
            {"recipe": "instructions", "seeds": "tutor:5", "count": 2},
        ],
        "generate": {"model": "scripted:echo", "responses": 1, "system": "Be brief."},
    }
    run(config, tmp_path / "run", quiet=True)
    done = export(tmp_path / "run", "trl", tmp_path / "out.jsonl")
    rows = [json.loads(line) for line in done.out.read_text().splitlines()]
    assert len(rows) == 5 and all(row["prompt"][0]["content"] == "Be brief." for row in rows)
    assert [bool(row["answer"]) for row in rows] == [True] * 3 + [False] * 2
    assert all(row["constraints"] for row in rows[3:])
    (tmp_path / "train").mkdir()
    (tmp_path / "train/run.yaml").write_text("kind: sft\n")
    with pytest.raises(InputError, match="no run's folder"):
        export(tmp_path / "train", "trl", tmp_path / "out.jsonl")


def test_rows_of_openrlhf_and_nemo(prompts: Path, tmp_path: Path) -> None:
    def rows(trainer: str) -> list[Any]:
        out = export(prompts, trainer, tmp_path / "out.jsonl").out
        return [json.loads(line) for line in out.read_text().splitlines()]

    labels = [row["label"] for row in rows("openrlhf")]
    assert json.loads(labels[0]) == {"answer": "4", "language": "de"}
    assert json.loads(labels[1]) == {"tests": "assert f() == 1"}
    assert rows("nemo") == [{"input": "2+2?", "output": "4"}]
    first, second, _ = rows("gym")
    assert first["responses_create_params"] == {"input": [{"role": "user", "content": "2+2?"}]}
    assert (first["question"], first["expected_answer"]) == ("2+2?", "4")
    assert second["verifier_metadata"]["tests"] == "assert f() == 1"
    assert "expected_answer" not in second
    several = tmp_path / "several.jsonl"
    blank = {"prompt": "3+3?", "answer": " "}
    several.write_text(f'{{"prompt": "2+2?", "answer": ["4", "four"]}}\n{json.dumps(blank)}')
    out = export(several, "nemo", tmp_path / "new" / "out.jsonl").out
    assert json.loads(out.read_text())["output"] == "4"


@pytest.mark.parametrize("source", ["prompts.jsonl", "*.jsonl", "."])
def test_what_is_read_is_not_written_over(source: str, prompts: Path) -> None:
    before = prompts.read_bytes()
    with pytest.raises(InputError, match="is among what is read"):
        export(prompts.parent / source, "trl", prompts)
    assert prompts.read_bytes() == before


def test_turns_and_tools_as_the_responses_api_has_them(tmp_path: Path) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 2}'}}
    tool = {"name": "add", "description": "Adds.", "parameters": {"type": "object"}}
    row = {
        "messages": [
            {"role": "user", "content": "2+2?"},
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "4"},
            {"role": "user", "content": "And 3+3?"},
        ],
        "tools": [{"type": "function", "function": tool}],
    }
    (tmp_path / "in.jsonl").write_text(json.dumps(row))
    export(tmp_path / "in.jsonl", "gym", tmp_path / "out.jsonl")
    asked = json.loads((tmp_path / "out.jsonl").read_text())["responses_create_params"]
    assert [item.get("type", item.get("role")) for item in asked["input"]] == [
        "user", "function_call", "function_call_output", "user",
    ]  # fmt: skip
    assert asked["input"][1]["call_id"] == asked["input"][2]["call_id"] == "c1"
    assert asked["tools"] == [{"type": "function", "strict": False, **tool}]


def test_the_command_says_how_many(tmp_path: Path, gristmill: Gristmill) -> None:
    done = gristmill("export", "tutor:5", "--for", "openrlhf", "--out", tmp_path / "p.jsonl")
    assert (done.code, done.out) == (0, f"5 prompts: {tmp_path / 'p.jsonl'}\n")
    first = json.loads((tmp_path / "p.jsonl").read_text().splitlines()[0])
    assert first["input"][0]["role"] == "user" and first["label"]
    done = gristmill("export", "tutor:5", "--for", "trx", "--out", tmp_path / "p.jsonl")
    assert done.code == 2 and "write one of trl, verl, openrlhf" in done.err
    done = gristmill("export", "tutor:5", "--for", "gym", "--out", tmp_path / "p.parquet")
    assert done.code == 2 and "reads .jsonl files alone" in done.err


def shown(file: str) -> ModuleType:
    """The file of this name as docs/rl.md shows it."""
    page = (Path(__file__).parents[1] / "docs/rl.md").read_text(encoding="utf-8")
    (code,) = re.findall(rf"^```python\n(# {re.escape(file)}\n.*?)^```", page, re.M | re.S)
    module = ModuleType(file.removesuffix(".py"))
    sys.modules[module.__name__] = module  # where pydantic looks for names
    exec(compile(code, file, "exec"), module.__dict__)
    return module


@pytest.mark.filterwarnings("ignore")
def test_the_taskset_of_the_page(prompts: Path) -> None:
    pytest.importorskip("verifiers.v1")
    made = shown("gristmill_taskset.py")
    export(prompts, "trl", prompts.with_name("out.jsonl"))
    config = made.PromptConfig(id="gristmill_taskset", prompts=prompts.with_name("out.jsonl"))
    task, *_ = made.PromptTaskset(config)
    said = [asyncio.run(task.judged(SimpleNamespace(last_reply=t))) for t in ("It is 4.", "5")]
    assert said == [1.0, 0.0]


@pytest.mark.filterwarnings("ignore")
def test_the_resources_server_of_the_page(prompts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("nemo_gym")
    from fastapi.testclient import TestClient
    from nemo_gym.config_types import BaseServerConfig
    from nemo_gym.server_utils import ServerClient
    from omegaconf import OmegaConf

    made = shown("app.py")
    place = {"host": "127.0.0.1", "port": 9}
    server = made.GristmillServer(
        config=made.BaseResourcesServerConfig(name="rewards", entrypoint="app.py", **place),
        server_client=ServerClient(
            head_server_config=BaseServerConfig(**place), global_config_dict=OmegaConf.create({})
        ),
    )
    export(prompts, "gym", prompts.with_name("out.jsonl"))
    row = json.loads(prompts.with_name("out.jsonl").read_text().splitlines()[0])
    text = {"type": "output_text", "text": "It is 4.", "annotations": []}
    said = {"id": "m", "type": "message", "role": "assistant", "status": "completed"}
    reply = {
        **{"id": "r", "created_at": 0, "model": "m", "object": "response", "tools": []},
        **{"parallel_tool_calls": True, "tool_choice": "auto"},
        "output": [{**said, "content": [text]}],
    }
    asked = TestClient(server.setup_webserver())
    assert asked.post("/verify", json={**row, "response": reply}).json()["reward"] == 1.0
    with FaultyServer(status=500) as failing:
        judge = {"reward": {"model": failing.reward, "retries": 0}}
        monkeypatch.setattr(made, "score", rewards.scorer(judge))
        found = asked.post("/verify", json={**row, "response": reply}).json()
    assert found["_ng_failure_class"] == "judge_failed"


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
