"""What a run saves is a plain folder that gives, through the backends, what was trained."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from gristmill.backends import open_chat, open_reward
from gristmill.backends.local_load import find, load_tokenizer
from gristmill.errors import ConfigError
from gristmill.nemotron import tiny_path
from gristmill.records import ATTRIBUTES, Message, Prompt, Sampling
from gristmill.train import Trained, config_of, run
from gristmill.train.loop import Trainer
from gristmill.train.model import load
from local_models import SIZES, chat_model, classifier, reward_model, save
from trainings import (
    chat_rows,
    losses_of,
    pair_rows,
    rated_rows,
    text_rows,
    values_of,
    weights_of,
    write_rows,
)

CARD = (0.3, 0.74, 0.46, 0.47, -0.33)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    home = tmp_path_factory.mktemp("models")
    torch.manual_seed(3)
    sizes = SIZES | {"max_position_embeddings": 256}
    llama = save(LlamaForCausalLM(LlamaConfig(**sizes)), home / "llama")
    return {
        "tiny:base": "tiny:base",
        "tiny:reward": "tiny:reward",
        "chat": f"hf:{chat_model(home / 'chat', max_position_embeddings=256)}",
        "llama": f"hf:{llama}",
        "scalar": f"hf:{classifier(home / 'scalar', 1, max_position_embeddings=256)}",
        "nine": f"hf:{reward_model(home / 'nine', 9)}",
    }


class Last:
    """What the trained module said of its items, the last time that it was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        real = Trainer.outputs

        def noted(trainer: Trainer, items: Any) -> Any:
            self.trainer, self.items, self.said = trainer, items, real(trainer, items)
            return self.said

        self._real = real
        monkeypatch.setattr(Trainer, "outputs", noted)

    def rounded(self) -> list[torch.Tensor]:
        """The same by the weights as they were saved, in bfloat16."""
        fresh = load(self.trainer.config, self.trainer.objective.head).module
        state = self.trainer.module.state_dict()
        # A head's bias goes into the norm's, and their sum is as good as exact (test_folding.py).
        exact = ("inner.score.bias", "inner.model.norm.bias") if "inner.score.bias" in state else ()
        fresh.load_state_dict(
            {n: t if n in exact else t.bfloat16().to(t.dtype) for n, t in state.items()}
        )
        self.trainer.module = fresh
        return self._real(self.trainer, self.items)


def scored(trained: Trained, conversations: list[tuple[Message, ...]]) -> torch.Tensor:
    """(N, 5) or (N, 1): what the saved model says, as `gristmill score` asks it."""

    async def ask() -> list[Any]:
        async with open_reward(f"hf:{trained.model}") as backend:
            return await asyncio.gather(*(backend.score(each) for each in conversations))

    found = asyncio.run(ask())
    if found[0].attributes:
        return torch.tensor([s.attributes for s in found])
    return torch.tensor([[s.scalar] for s in found])


def conversation(prompt: Any, *answer: Message) -> tuple[Message, ...]:
    return (*prompt, *answer)


@pytest.mark.parametrize(
    ("start", "loss", "lora"),
    [
        ("tiny:base", "regression", None),
        ("tiny:reward", "regression", None),
        ("tiny:reward", "bradley_terry", None),
        ("nine", "regression", None),
        ("llama", "regression", None),
        ("llama", "both", {"rank": 2, "alpha": 4}),
        ("llama", "bradley_terry", None),
        ("chat", "bradley_terry", {"rank": 2, "alpha": 4}),
        ("scalar", "bradley_terry", None),
    ],
)
def test_a_reward_model_is_scored_as_it_was_trained(
    start: str,
    loss: str,
    lora: Any,
    models: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = {"regression": rated_rows(16), "bradley_terry": pair_rows(12)}
    mixed = rows.get(loss) or [*rated_rows(10), *pair_rows(8)]
    values = values_of(models[start], write_rows(tmp_path / "r.jsonl", mixed), lora=lora)
    values |= {"loss": loss, "steps": 4, "validation": 0.4, "optimizer": {"lr": 1e-3, "warmup": 0}}
    last = Last(monkeypatch)
    trained = run(config_of("reward", values), tmp_path / "out")
    conversations = []
    for item in last.items:
        example = item.example
        sides = (
            [example.chosen, example.rejected]
            if hasattr(example, "chosen")
            else [(Message("assistant", example.response),)]
        )
        conversations += [conversation(example.prompt, *side) for side in sides]
    # Saved in the starting model's type: the tiny family's is bfloat16.
    saved = json.loads((trained.model / "config.json").read_text())["dtype"]
    assert saved == ("bfloat16" if start.startswith("tiny") else "float32")
    wanted = torch.cat(last.rounded() if saved == "bfloat16" else last.said)
    assert (wanted - torch.cat(last.said)).abs().mean().item() < 0.1
    found = scored(trained, conversations)
    assert found.shape == wanted.shape
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)
    assert wanted.std() > 1e-3
    if found.shape[1] == 5 and loss == "regression":
        assert trained.metrics["validation"]["loss"] > 0


def test_a_new_head_begins_at_the_mean_label(models: dict[str, str], tmp_path: Path) -> None:
    rows = rated_rows(30)
    values = values_of(models["tiny:base"], write_rows(tmp_path / "r.jsonl", rows))
    values |= {"validation": 0, "steps": 1, "optimizer": {"lr": 1e-12, "warmup": 0}}
    trained = run(config_of("reward", values), tmp_path / "out")
    begun = weights_of(tmp_path / "out")
    # What was folded into the norm's own bias.
    before = load_file(tiny_path("base") / "model.safetensors")["model.norm.bias"].double()
    bias = begun["score.weight"].double() @ (begun["model.norm.bias"].double() - before)
    for name, found in zip(ATTRIBUTES, bias.tolist(), strict=True):
        labels = [row[name] for row in rows if name in row]
        assert found == pytest.approx(sum(labels) / len(labels), abs=0.02)
    # One that was trained already stays as it is.
    again = values | {"model": f"hf:{trained.model}", "data": [{"file": "tutor:20:rated"}]}
    run(config_of("reward", again), tmp_path / "again")
    assert torch.equal(weights_of(tmp_path / "again")["model.norm.bias"], begun["model.norm.bias"])


@pytest.mark.parametrize("lora", [None, {"rank": 2, "alpha": 4}])
def test_what_is_new_in_a_model_depends_on_the_seed_alone(
    lora: Any, models: dict[str, str]
) -> None:
    def fresh(seed: int) -> dict[str, torch.Tensor]:
        torch.rand(seed + 3)  # Whatever was drawn before.
        values = {"model": models["llama"], "data": {"file": "x"}, "lora": lora, "seed": seed}
        return load(config_of("reward", values), "attributes").module.state_dict()

    first, again, other = fresh(0), fresh(0), fresh(1)
    assert all(torch.equal(first[name], again[name]) for name in first)
    differ = {name for name in first if not torch.equal(first[name], other[name])}
    assert any("score" in name for name in differ)
    assert any("lora" in name for name in differ) == (lora is not None)


def test_lora_trains_adapters_alone_and_saves_them_merged(
    models: dict[str, str], tmp_path: Path
) -> None:
    rows = write_rows(tmp_path / "r.jsonl", chat_rows(16))
    values = values_of(models["llama"], rows, lora={"rank": 2, "alpha": 8}, validation=0)
    values["optimizer"] = {"lr": 1e-2, "warmup": 0}
    config = config_of("sft", values)
    module = load(config, "tokens").module
    assert all("lora_" in n for n, p in module.named_parameters() if p.requires_grad)
    trained = run(config, tmp_path / "out")
    counted = trained.metrics["parameters"]
    assert 0 < counted["trained"] < counted["all"] / 10
    before = LlamaForCausalLM.from_pretrained(models["llama"].removeprefix("hf:")).state_dict()
    after = weights_of(tmp_path / "out")
    assert not any("lora" in name for name in after)
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    assert changed == {name for name in after if name.endswith("_proj.weight")}
    assert not (trained.model / "adapter_config.json").exists()


@pytest.mark.parametrize("lora", [None, {"rank": 3, "alpha": 12}])
def test_the_saved_weights_have_the_loss_that_was_measured(
    lora: Any, models: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = Last(monkeypatch)
    values = values_of(models["chat"], write_rows(tmp_path / "r.jsonl", chat_rows(20)), lora=lora)
    values["optimizer"] = {"lr": 3e-3, "warmup": 0}
    trained = run(config_of("sft", values), tmp_path / "out")
    plain = AutoModelForCausalLM.from_pretrained(trained.model, dtype=torch.float32)
    logs = []
    for sequence in (s for item in last.items for s in item.sequences):
        ids = torch.from_numpy(sequence.ids).long()
        with torch.no_grad():
            said = plain(input_ids=ids[None]).logits[0].log_softmax(-1)
        logs.append(said[sequence.reads, ids[sequence.reads + 1]])
    before, after = (trained.metrics[k]["loss"] for k in ("validation_before", "validation"))
    assert -torch.cat(logs).mean().item() == pytest.approx(after, rel=1e-4)
    assert abs(after - before) > 0.1


def test_a_trained_chat_model_answers_as_it_was_trained(
    models: dict[str, str], tmp_path: Path
) -> None:
    """Enough steps to know one answer by heart; it is then heard through the backend."""
    question, answer = "which stone?", "the green stone"
    rows = [
        {
            "messages": [
                {"role": "user", "content": question},
                {"role": "assistant", "content": answer},
            ]
        }
    ]
    values = values_of("tiny:instruct", write_rows(tmp_path / "r.jsonl", rows))
    values |= {"validation": 0, "steps": 40, "optimizer": {"lr": 2e-3, "warmup": 0}}
    trained = run(config_of("sft", values), tmp_path / "out")

    async def ask() -> str:
        async with open_chat(f"hf:{trained.model}") as backend:
            prompt = Prompt("p", (Message("user", question),))
            response = await backend.sample(prompt, 0, Sampling(temperature=0.0, max_tokens=40))
            return response.text

    assert asyncio.run(ask()) == answer
    assert losses_of(tmp_path / "out")[-1] < 0.2


def test_a_saved_folder_is_like_the_start(models: dict[str, str], tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "r.jsonl", chat_rows(8))
    trained = run(config_of("sft", values_of("tiny:instruct", rows, steps=1)), tmp_path / "out")
    start = Path(find("tiny:instruct").place)
    there, here = (json.loads((d / "config.json").read_text()) for d in (start, trained.model))
    changed = {k for k in there | here if there.get(k) != here.get(k)} - {"transformers_version"}
    assert changed <= {"_name_or_path"}, {k: (there.get(k), here.get(k)) for k in changed}
    old, new = (load_tokenizer(find(m)) for m in ("tiny:instruct", f"hf:{trained.model}"))
    assert new.chat_template == old.chat_template
    assert new.get_vocab() == old.get_vocab()
    there, here = (
        json.loads((d / "generation_config.json").read_text()) for d in (start, trained.model)
    )
    assert there.get("eos_token_id") == here.get("eos_token_id")


def test_checkpointing_changes_nothing(models: dict[str, str], tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "r.jsonl", chat_rows(12))
    for lora in (None, {"rank": 2, "alpha": 4}):
        found = []
        for on in (False, True):
            out = tmp_path / f"{on}-{lora is None}"
            values = values_of(models["llama"], rows, checkpointing=on, lora=lora)
            run(config_of("sft", values), out)
            found.append(losses_of(out))
        assert found[0] == found[1]


def test_what_cannot_be_trained_is_refused_by_name(models: dict[str, str], tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "r.jsonl", rated_rows(6))
    config: Any = transformers.Gemma2Config(**SIZES)
    gemma = save(transformers.Gemma2ForCausalLM(config), tmp_path / "gemma")
    with pytest.raises(ConfigError, match=r"Gemma2ForCausalLM.* cannot be trained here: it has"):
        run(config_of("sft", values_of(f"hf:{gemma}", rows)), tmp_path / "a")
    bert = save(
        transformers.BertForSequenceClassification(
            transformers.BertConfig(**SIZES | {"num_labels": 1})
        ),
        tmp_path / "bert",
    )
    values = values_of(f"hf:{bert}", write_rows(tmp_path / "p.jsonl", pair_rows(6)))
    with pytest.raises(ConfigError, match=r"BertForSequenceClassification.* has no linear head"):
        run(config_of("reward", values | {"loss": "bradley_terry"}), tmp_path / "b")
    with pytest.raises(ConfigError, match="gives one scalar, regression needs the five"):
        run(config_of("reward", values_of(models["scalar"], rows)), tmp_path / "c")


def test_a_base_model_without_a_template_needs_one_unless_it_reads_plain_text(
    tmp_path: Path,
) -> None:
    place = chat_model(tmp_path / "base", max_position_embeddings=256)
    settings = json.loads((place / "tokenizer_config.json").read_text())
    del settings["chat_template"]
    (place / "tokenizer_config.json").write_text(json.dumps(settings))
    chats = write_rows(tmp_path / "r.jsonl", chat_rows(8))
    with pytest.raises(ConfigError, match="has no chat template"):
        run(config_of("sft", values_of(f"hf:{place}", chats)), tmp_path / "a")
    texts = write_rows(tmp_path / "t.jsonl", text_rows(8))
    run(config_of("pretrain", values_of(f"hf:{place}", texts, steps=1)), tmp_path / "b")
    template = tmp_path / "mine.jinja"
    template.write_text(
        "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}<|endoftext|>{% endfor %}"
        "{% if add_generation_prompt %}[assistant] {% endif %}"
    )
    values = values_of(f"hf:{place}", chats, steps=1, template="mine.jinja")
    trained = run(config_of("sft", values, tmp_path), tmp_path / "c")
    tokenizer = load_tokenizer(find(f"hf:{trained.model}"))
    assert tokenizer.chat_template == template.read_text()
    # The template is a part of what decides the result.
    template.write_text(template.read_text().replace("[", "("))
    with pytest.raises(Exception, match=r"belongs to another run \(files\..*mine\.jinja"):
        run(config_of("sft", values, tmp_path), tmp_path / "c")
    assert AutoModelForCausalLM.from_pretrained(trained.model).config.vocab_size == 1024
