"""The losses of fine-tuning and DPO on the same rows as TRL's trainers compute them."""

from __future__ import annotations

import json
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml

from chat_templates import THINKING, TOOLED
from encodings_of import one, tokenizer
from gristmill import mill
from gristmill.intake.cells import Refused
from gristmill.intake.record import CONVERSATION, Record
from gristmill.intake.source import Source
from gristmill.mill import Config
from gristmill.nemotron import tiny_path
from gristmill.records import Message, ToolCall
from gristmill.train import config_of
from gristmill.train.encode import Encoder
from gristmill.train.examples import Compared, Conversation, examples_of
from gristmill.train.loop import Trainer
from gristmill.train.model import load
from gristmill.train.objectives import LanguageObjective, Objective, PreferenceObjective
from gristmill.train.parallel import World
from gristmill.train.work import reference
from trainings import chat_rows, encoded, examples_from, pair_rows, write_rows

ALONE = World(0, 1, torch.device("cpu"))
ROWS = 12
TOOLS = json.dumps(
    [{"type": "function", "function": {"name": "add", "description": "", "parameters": {}}}]
)
VALUES: dict[str, Any] = {"data": {"file": "x.jsonl"}, "precision": "fp32"}

pytestmark = pytest.mark.slow


@pytest.fixture
def theirs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Arguments of all their trainers: one batch of all rows, nothing written."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path))
    with warnings.catch_warnings():
        # What the trainers' own dependencies deprecate is not ours to fail on.
        warnings.simplefilter("ignore")
        yield {
            "output_dir": str(tmp_path / "theirs"),
            "per_device_train_batch_size": ROWS,
            "report_to": [],
            "save_strategy": "no",
            "use_cpu": True,
            "bf16": False,
            "gradient_checkpointing": False,
            "max_length": None,
            "disable_tqdm": True,
        }


def parts_of(name: str) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    place = tiny_path(name)
    return (
        AutoModelForCausalLM.from_pretrained(place, dtype="float32"),
        AutoTokenizer.from_pretrained(place),
    )


def rows_of(tmp_path: Path, rows: list[dict[str, Any]]) -> Any:
    from datasets import load_dataset

    file = write_rows(tmp_path / "rows.jsonl", rows)
    return load_dataset("json", data_files=str(file), split="train", cache_dir=str(tmp_path))


def their_loss(trainer: Any) -> float:
    (batch,) = list(trainer.get_train_dataloader())
    trainer.model.eval()
    return trainer.compute_loss(trainer.model, trainer._prepare_inputs(batch)).item()


def our_loss(model: str, kind: str, objective: Objective, folder: Path, items: Any) -> Any:
    config = config_of(kind, {"model": model, **VALUES})
    trainer = Trainer(load(config, objective.head), objective, config, folder, ALONE)
    batch, outputs = trainer.forward(items)
    sums = objective.sums(outputs, batch.owners, items)
    return {name: (total / objective.counts(items)[name]).item() for name, total in sums.items()}


def test_fine_tuning(theirs: dict[str, Any], tmp_path: Path) -> None:
    from trl import SFTConfig, SFTTrainer

    rows = chat_rows(ROWS)
    model, tokenizer = parts_of("instruct")
    trainer = SFTTrainer(
        model=model,
        args=SFTConfig(**theirs, assistant_only_loss=True),
        train_dataset=rows_of(tmp_path, rows),
        processing_class=tokenizer,
    )
    items = encoded(examples_from(rows, Conversation))
    ours = our_loss("tiny:instruct", "sft", LanguageObjective(), tmp_path, items)
    assert ours["loss"] == pytest.approx(their_loss(trainer), rel=1e-5)


def turns_of(*, thoughts: bool, calls: bool) -> list[dict[str, Any]]:
    """Conversations as a run exports them: what a turn lacks is null, tools are JSON."""
    rows = []
    for number in range(4):
        thought = f"it must be {number}" if thoughts else None
        made: list[dict[str, Any]] = [{"role": "user", "content": f"what is {number} plus 0?"}]
        if calls:
            function = {"name": "add", "arguments": {"a": number, "b": 0}}
            call = [{"type": "function", "function": function}]
            made.append(
                {"role": "assistant", "content": "", "reasoning_content": thought}
                | {"tool_calls": call}
            )
            made.append({"role": "tool", "content": f"it is {number}"})
        made.append({"role": "assistant", "content": f"{number}.", "reasoning_content": thought})
        row: dict[str, Any] = {"messages": made}
        rows.append(row | {"tools": TOOLS} if calls else row)
    return rows


def messages_of(row: dict[str, Any]) -> tuple[Message, ...]:
    return tuple(
        Message(
            turn["role"],
            turn["content"],
            turn.get("reasoning_content") or "",
            tuple(
                ToolCall(call["function"]["name"], json.dumps(call["function"]["arguments"]))
                for call in turn.get("tool_calls") or ()
            ),
        )
        for turn in row["messages"]
    )


@pytest.mark.parametrize("name", ["family", "qwen_marked", "nemotron_marked"])
@pytest.mark.parametrize("kind", ["plain", "thoughts", "tools"])
def test_what_is_learned_of_thoughts_and_calls(
    theirs: dict[str, Any], tmp_path: Path, name: str, kind: str
) -> None:
    from datasets import load_dataset
    from trl import SFTConfig, SFTTrainer

    if (name, kind) == ("family", "tools"):
        pytest.skip("the family's template knows no tools")
    rows = turns_of(thoughts=kind != "plain", calls=kind == "tools")
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "sft.parquet")
    model, ours = parts_of("instruct")[0], tokenizer(THINKING[name])
    trainer = SFTTrainer(
        model=model,
        args=SFTConfig(**theirs, assistant_only_loss=True),
        train_dataset=load_dataset(
            "parquet", data_files=str(tmp_path / "sft.parquet"), split="train"
        ),
        processing_class=ours,
    )
    (batch,) = list(trainer.get_train_dataloader())
    wanted = set()
    for ids, mask, labels in zip(
        batch["input_ids"], batch["attention_mask"], batch["labels"], strict=True
    ):
        length = int(mask.sum())
        places = torch.nonzero(labels[:length] != -100).flatten().tolist()
        wanted.add((tuple(ids[:length].tolist()), tuple(places)))
    found = set()
    for row in rows:
        example = Conversation(messages_of(row), "sft.parquet:1", row.get("tools", ""))
        (sequence,) = one(example, THINKING[name]).sequences
        found.add((tuple(sequence.ids.tolist()), tuple((sequence.reads + 1).tolist())))
    assert found == wanted and len(found) == len(rows)


@pytest.fixture(scope="module")
def called(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `sft` of a run whose model called tools, one after the other or none."""
    home = tmp_path_factory.mktemp("called")
    for name in ("careless.py", "careless.yaml"):
        shutil.copy(Path(__file__).parents[2] / "examples" / name, home)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.syspath_prepend(home)
        patch.delitem(sys.modules, "careless", raising=False)
        values = {**yaml.safe_load(Path("careless.yaml").read_text()), "export": ["sft"]}
        mill.run(
            Config.of({**values, "prompts": {"file": "tutor:24:held-out:seed=1"}}), home / "out"
        )
        patch.delitem(sys.modules, "careless", raising=False)
    return home / "out" / "data" / "sft.parquet"


@pytest.mark.parametrize("name", ["qwen_marked", "hermes_marked", "llama_marked"])
def test_a_runs_own_trajectories(
    theirs: dict[str, Any], tmp_path: Path, called: Path, name: str
) -> None:
    from datasets import load_dataset
    from trl import SFTConfig, SFTTrainer

    model, words = parts_of("instruct")
    words.chat_template = TOOLED[name]
    rows: Any = load_dataset("parquet", data_files=str(called), split="train")
    trainer = SFTTrainer(
        model=model,
        args=SFTConfig(**{**theirs, "per_device_train_batch_size": 99}, assistant_only_loss=True),
        train_dataset=rows,
        processing_class=words,
    )
    (batch,) = list(trainer.get_train_dataloader())
    wanted = sorted(
        [token for token in labels.tolist() if token != -100] for labels in batch["labels"]
    )
    read = Source(file=str(called)).records(CONVERSATION)
    examples = [e for record in read if isinstance(record, Record) for e in examples_of(record)]
    items = [item for found in Encoder(words, ends=False, limit=None).encode(examples)
             if not isinstance(found, Refused) for item in found]  # fmt: skip
    found = [s.ids[s.reads + 1].tolist() for item in items for s in item.sequences]
    assert sorted(found) == wanted and len(found) == len(rows) > 15
    assert sum("tool" in [turn["role"] for turn in row["messages"]] for row in rows) > 8
    ours = our_loss("tiny:instruct", "sft", LanguageObjective(), tmp_path, items)
    assert ours["loss"] == pytest.approx(their_loss(trainer), rel=1e-5)


def test_dpo(theirs: dict[str, Any], tmp_path: Path) -> None:
    from trl import DPOConfig, DPOTrainer

    rows = pair_rows(ROWS)
    messages = [
        {
            "prompt": [{"role": "user", "content": row["prompt"]}],
            "chosen": [{"role": "assistant", "content": row["chosen"]}],
            "rejected": [{"role": "assistant", "content": row["rejected"]}],
        }
        for row in rows
    ]
    model, tokenizer = parts_of("instruct")
    trainer = DPOTrainer(
        model=model,
        ref_model=parts_of("base")[0],
        args=DPOConfig(**theirs, beta=0.1),
        train_dataset=rows_of(tmp_path, messages),
        processing_class=tokenizer,
    )
    items = encoded(examples_from(rows, Compared))
    config: Any = config_of("dpo", {"model": "tiny:base", **VALUES, "beta": 0.1})
    base = Trainer(load(config, "tokens"), LanguageObjective(), config, tmp_path, ALONE)
    found = dict(zip(map(id, items), reference(base, items), strict=True))
    ours = our_loss("tiny:instruct", "dpo", PreferenceObjective(config, found), tmp_path, items)
    wanted = their_loss(trainer)
    assert abs(wanted - 0.6931) > 1e-2
    assert ours["preference"] == pytest.approx(wanted, rel=1e-5)
