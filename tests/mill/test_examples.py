"""Few-shot examples: the model sees them, and nobody else does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import scripts
from gristmill import mill
from gristmill.errors import CheckpointError, ConfigError, DataError
from gristmill.mill import Config, forecast
from mills import config, tables, write_prompts

SHOWN: list[Any] = [
    {"prompt": "Two and two?", "response": "Four."},
    {
        "messages": [
            {"role": "user", "content": "Hello."},
            {"role": "assistant", "content": "Hi."},
            {"role": "user", "content": "Bye."},
            {"role": "assistant", "content": "Ciao."},
        ]
    },
]
SAID = ["Two and two?", "Four.", "Hello.", "Hi.", "Bye.", "Ciao."]


@pytest.fixture(autouse=True)
def _forget() -> None:
    scripts.forget()


def own(prompts: Path, examples: list[Any], **generate: Any) -> Config:
    model = {"model": "scripted:scripts:other", "examples": examples}
    judges: list[Any] = [{"reward": {"model": "scripted:scripts:listen"}}]
    return config(prompts, generate=model | generate, judges=judges, keep=[])


def test_the_model_is_shown_them_and_nothing_else_has_them(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 3)
    mill.run(own(prompts, SHOWN, system="Be brief."), tmp_path / "out")
    for said, heard in scripts.heard.items():
        assert [m["content"] for m in heard[:-1]] == ["Be brief.", *SAID]
        assert [m["role"] for m in heard] == ["system", *["user", "assistant"] * 3, "user"]
        assert [m["content"] for m in scripts.judged[said]] == [
            "Be brief.", heard[-1]["content"], said,
        ]  # fmt: skip
    found = tables(tmp_path / "out")
    assert len(found["sft"]) == 3 and len(found["scored"]) == 6
    written = json.dumps(found)
    assert not any(said in written for said in SAID)
    for row in found["sft"]:
        assert [m["role"] for m in row["messages"]] == ["system", "user", "assistant"]


def test_ids_are_those_without_examples_and_answers_are_asked_anew(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 2)
    mill.run(own(prompts, []), tmp_path / "none")
    mill.run(own(prompts, SHOWN), tmp_path / "shown")
    ids = [
        {row["response_id"] for row in tables(tmp_path / n)["scored"]} for n in ("none", "shown")
    ]
    assert ids[0] == ids[1]
    with pytest.raises(CheckpointError, match=r"examples: '\w{16}' there, '\w{16}' now"):
        mill.run(own(prompts, SHOWN[:1]), tmp_path / "shown")


def test_a_cache_knows_what_was_shown(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 2)
    for number, examples in enumerate((SHOWN, SHOWN[:1], SHOWN)):
        values = own(prompts, examples).model_copy(update={"cache": str(tmp_path / "cache")})
        mill.run(values, tmp_path / str(number))
    assert set(scripts.asked.values()) == {2}


def test_files_are_read_as_rows_are_everywhere(tmp_path: Path) -> None:
    rows = [{"question": q, "output": a} for q, a in zip(SAID[::2], SAID[1::2], strict=True)]
    (tmp_path / "e.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_prompts(tmp_path, 2)
    file = {"file": "e.jsonl", "limit": 2, "columns": {"prompt": "question", "response": "output"}}
    values = {
        "prompts": {"file": "prompts.jsonl"},
        "generate": {"model": "scripted:scripts:other", "examples": [file, SHOWN[0]]},
    }
    (tmp_path / "run.yaml").write_text(json.dumps(values))
    loaded = Config.load(tmp_path / "run.yaml")
    mill.run(loaded, tmp_path / "out")
    for heard in scripts.heard.values():
        assert [m["content"] for m in heard[:-1]] == [*SAID[:4], *SAID[:2]]
    # What they say counts, and not where they stand.
    (tmp_path / "e.jsonl").rename(tmp_path / "f.jsonl")
    values["generate"]["examples"][0]["file"] = str(tmp_path / "f.jsonl")  # pyright: ignore
    mill.run(
        Config.of(values | {"prompts": {"file": str(tmp_path / "prompts.jsonl")}}), tmp_path / "out"
    )
    assert set(scripts.asked.values()) == {1}
    again = Config.load(tmp_path / "run.yaml").model_dump(mode="json")
    assert Config.of(again).model_dump(mode="json") == again


@pytest.mark.parametrize("asked", ["Two and two?", "Hello."])
def test_a_prompt_that_is_an_example_is_put_aside(tmp_path: Path, asked: str) -> None:
    prompts = write_prompts(tmp_path, 2)
    messages = [{"role": "system", "content": "Any."}, {"role": "user", "content": asked}]
    with prompts.open("a") as file:
        file.write(json.dumps({"prompt": asked}) + "\n" + json.dumps({"messages": messages}) + "\n")
    metrics = mill.run(own(prompts, SHOWN), tmp_path / "out").metrics
    assert metrics["prompts"]["duplicates"] == 2 and metrics["prompts"]["finished"] == 2
    aside = [r for r in tables(tmp_path / "out")["rejected"] if r["reason"] == "input:duplicate"]
    assert {row["detail"].partition(": ")[2] for row in aside} == {
        "it is one of `generate.examples`"
    }
    assert {row["prompt"] for row in aside} == {asked}


def test_the_forecast_shows_and_counts_them(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 5)
    without, found = (forecast(own(prompts, examples)) for examples in ([], SHOWN))
    assert found.prompt_tokens - without.prompt_tokens >= 10 * sum(len(said) // 4 for said in SAID)
    assert found.judge_tokens == without.judge_tokens
    title, text = found.first[0]
    assert title == "prompt 1, as scripted:scripts:other gets it"
    assert text.startswith("[user]\nTwo and two?\n\n[assistant]\nFour.") and "Question 0?" in text


@pytest.mark.parametrize(
    ("examples", "said"),
    [
        ({"prompt": "a", "response": "b"}, r"generate\.examples: write a list"),
        (["a"], r"generate\.examples\[0\]: write \{prompt"),
        ([SHOWN[0], {"prompt": "a"}], r"generate\.examples\[1\]: .*conversations are needed"),
        ([{"prompt": "a", "response": " "}], r"generate\.examples\[0\]: .*empty"),
        ([{"file": "x", "limt": 1}], r"generate\.examples\[0\]\.limt: unknown key; did you mean"),
        (
            [{"messages": [{"role": "system", "content": "s"}, *SHOWN[1]["messages"]]}],
            r"generate\.examples\[0\]: an example has a system message; put it into `system`",
        ),
    ],
)
def test_errors_of_a_config(tmp_path: Path, examples: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        own(write_prompts(tmp_path, 1), examples)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "no such file"),
        ("", r"there is no row in it"),
        ('{"prompt": "a", "response": "b"}\n{"prompt": "a"}\n', r"e\.jsonl:2: wrong_kind"),
        ("{oops\n", r"e\.jsonl:1: bad_json"),
    ],
)
def test_errors_of_a_file(tmp_path: Path, text: str | None, said: str) -> None:
    file = tmp_path / "e.jsonl"
    if text is not None:
        file.write_text(text)
    values = own(write_prompts(tmp_path, 1), [{"file": str(file)}])
    for start in (lambda: mill.run(values, tmp_path / "out"), lambda: forecast(values)):
        with pytest.raises(DataError, match=rf"generate\.examples\[0\]: .*{said}"):
            start()
    assert not (tmp_path / "out").exists()
