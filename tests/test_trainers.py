"""The data sets, read by those who use them: `datasets`, and TRL's trainers, without a mapping."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import orjson
import pytest

import gristmill
from gristmill import tutor
from gristmill.mill import Config
from gristmill.mill.parquet import Writers
from gristmill.mill.rows import Origin, preference_row, sft_row
from gristmill.mill.select import Pair
from gristmill.records import Graded, Message, Prompt, Response, Sample, ToolCall

ROWS = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the tiny instruct model, graded by a script so that every data set has rows."""
    home = tmp_path_factory.mktemp("run")
    questions = tutor.questions(ROWS, 1, held_out=True)
    lines = [orjson.dumps({"prompt": q.text, "answer": q.answer}) for q in questions]
    (home / "prompts.jsonl").write_bytes(b"\n".join(lines))
    config = Config.of(
        {
            "prompts": {"file": str(home / "prompts.jsonl")},
            "generate": {"model": "tiny:instruct", "responses": 3, "max_tokens": 48},
            "judges": [{"reward": {"model": "scripted:echo"}}],
            "select": {"min_gap": 0.0},
        }
    )
    gristmill.run(config, home / "out")
    return home / "out"


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path))


@pytest.mark.slow
@pytest.mark.usefixtures("offline")
def test_datasets_loads_each_by_name(folder: Path, tmp_path: Path) -> None:
    from datasets import load_dataset

    sizes = {
        name: load_dataset(str(folder), name, split="train", cache_dir=str(tmp_path)).num_rows
        for name in ("sft", "preference", "scored")
    }
    assert sizes["sft"] == ROWS
    assert sizes["scored"] == 3 * ROWS
    assert 0 < sizes["preference"] <= ROWS


@pytest.mark.slow
@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("kind", ["sft", "dpo"])
def test_trl_trains_on_them_as_they_are(kind: str, folder: Path, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        # What the trainers' own dependencies deprecate is not ours to fail on.
        warnings.simplefilter("ignore")
        from datasets import load_dataset
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

        from gristmill.nemotron import tiny_path

        model = AutoModelForCausalLM.from_pretrained(tiny_path("instruct"), dtype="float32")
        tokenizer = AutoTokenizer.from_pretrained(tiny_path("instruct"))
        name, config, trainer = {
            "sft": ("sft", SFTConfig, SFTTrainer),
            "dpo": ("preference", DPOConfig, DPOTrainer),
        }[kind]
        data = load_dataset(str(folder), name, split="train", cache_dir=str(tmp_path / "cache"))
        settings = config(
            output_dir=str(tmp_path / "model"),
            max_steps=3,
            per_device_train_batch_size=2,
            report_to=[],
            save_strategy="no",
            use_cpu=True,
            bf16=False,
            logging_steps=1,
            max_length=256,
            disable_tqdm=True,
            **({"assistant_only_loss": True} if kind == "sft" else {}),
        )
        run = trainer(model=model, args=settings, train_dataset=data, processing_class=tokenizer)
        result = run.train()
    assert result.global_step == 3
    assert result.training_loss > 0


TOOLS = json.dumps([{"type": "function", "function": {"name": "add", "description": "Adds.",
         "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}}}])  # fmt: skip
CALLED = (
    Message("user", "Add."),
    Message("assistant", "", "I ask.", (ToolCall("add", '{"a": 1, "b": null}', "call_1"),)),
    Message("tool", "1", tool_call_id="call_1", name="add"),
)


@pytest.fixture
def said(tmp_path: Path) -> Path:
    """`sft` and `preference` of a plain prompt, and of one with thoughts, tools and calls."""
    rows = (
        (Prompt("p", (Message("user", "Hello"),)), Response("Yes.", "m"), Response("No.", "m")),
        (Prompt("q", CALLED, tools=TOOLS), Response("One.", "m", reasoning="It is one."),
         Response("", "m", tool_calls=CALLED[1].tool_calls)),
    )  # fmt: skip
    with Writers(tmp_path, ["sft", "preference"], Origin(["m"], [], [["MIT"]], 0)) as out:
        for prompt, chosen, rejected in rows:
            graded = Graded(0, prompt, (Sample(0, chosen), Sample(1, rejected)))
            out.add("sft", sft_row(graded, graded.samples[0]))
            better, worse = graded.samples
            out.add("preference", preference_row(graded, Pair(better, worse, 1.0, 0.0)))
    return tmp_path


RENDERED = {
    # A template that writes arguments as JSON, one that walks through them, and one that asks
    # whether a message has the field `tool_calls`.
    "qwen3": ('{"name": "add", "arguments": {"a": 1, "b": null}}', "<think>\nIt is one.\n</think>"),
    "glm4moe": ("<arg_key>a</arg_key>\n<arg_value>1</arg_value>", "<think>It is one.</think>"),
    "llama3_1": ('{"name": "add", "parameters": {"a": 1, "b": null}}', ""),
}


@pytest.mark.slow
@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("template", RENDERED)
def test_trl_renders_thoughts_tools_and_calls(template: str, said: Path) -> None:
    call, thought = RENDERED[template]
    (hello, first), (yes, _), (no, _) = (
        rendered(said, template, *name)
        for name in (("sft", "input"), ("preference", "chosen"), ("preference", "rejected"))
    )
    assert "Yes." in hello and "None" not in hello and "tool_call" not in hello
    assert "Yes." in yes and "No." in no
    assert call in first and thought in first and first.index(call) < first.index("One.")
    assert '"add"' in first.partition(call)[0], "the tools are explained"
    _, second = rendered(said, template, "preference", "rejected")
    assert call in second
    _, chosen = rendered(said, template, "preference", "chosen")
    assert thought in chosen and "One." in chosen


def rendered(folder: Path, template: str, name: str, column: str) -> list[str]:
    """What TRL's trainer makes of a data set's rows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import trl
        from datasets import load_dataset
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

        from gristmill.nemotron import tiny_path

        tokenizer = AutoTokenizer.from_pretrained(tiny_path("instruct"))
        file = Path(trl.__file__).parent / "chat_templates" / f"{template}.jinja"
        tokenizer.chat_template = file.read_text(encoding="utf-8")
        data = load_dataset(
            "parquet", data_files=str(folder / f"{name}.parquet"), split="train",
            cache_dir=str(folder / "cache"),
        )  # fmt: skip
        kind, trainer = {"sft": (SFTConfig, SFTTrainer), "preference": (DPOConfig, DPOTrainer)}[
            name
        ]
        settings = kind(output_dir=str(folder / "model"), report_to=[], use_cpu=True, bf16=False,
                        max_length=4096, disable_tqdm=True)  # fmt: skip
        model = AutoModelForCausalLM.from_pretrained(tiny_path("instruct"), dtype="float32")
        made = trainer(model=model, args=settings, train_dataset=data, processing_class=tokenizer)
        return [tokenizer.decode(row[f"{column}_ids"]) for row in made.train_dataset]
