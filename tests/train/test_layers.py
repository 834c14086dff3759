"""Which layers learn: new ones on top, which begin by adding nothing, and those that are not
frozen; and what they can be asked, how likely the starting model finds what it reads."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from gristmill.errors import ConfigError
from gristmill.packing import pack
from gristmill.train import config_of, run
from gristmill.train.layers import Likelihood, expand, freeze
from gristmill.train.losses import likelihood
from gristmill.train.model import load
from gristmill.train.objectives import RewardObjective
from gristmill.train.prepare import prepare
from local_models import SIZES, chat_model, save
from trainings import (
    chat_rows,
    log_of,
    losses_of,
    metrics_of,
    pair_rows,
    rated_rows,
    values_of,
    weights_of,
    write_rows,
)

SMALL: dict[str, Any] = SIZES | {"max_position_embeddings": 256}
OTHERS: dict[str, tuple[Any, Any]] = {
    "llama": (LlamaForCausalLM, LlamaConfig(**SMALL)),
    "qwen3": (Qwen3ForCausalLM, Qwen3Config(**SMALL)),
    "tied": (Qwen3ForCausalLM, Qwen3Config(**SMALL, tie_word_embeddings=True)),
    "gemma3": (Gemma3ForCausalLM, Gemma3TextConfig(**SMALL)),
}


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chat_model(tmp_path_factory.mktemp("models") / "chat", max_position_embeddings=256)


@pytest.fixture(scope="module")
def rated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rows(tmp_path_factory.mktemp("rows") / "rated.jsonl", rated_rows(24))


def reward(model: Path | str, rated: Path, **changes: Any) -> Any:
    name = model if isinstance(model, str) else f"hf:{model}"
    return config_of("reward", values_of(name, rated, expand=2) | changes)


@pytest.mark.parametrize("family", OTHERS)
def test_new_layers_begin_as_the_identity_whatever_the_family(
    family: str, tmp_path: Path, rated: Path
) -> None:
    kind, config = OTHERS[family]
    torch.manual_seed(3)
    place = save(kind(config), tmp_path / family)
    values = values_of(f"hf:{place}", write_rows(tmp_path / "chat.jsonl", chat_rows(12)))
    before = prepare(config_of("sft", values))
    after = prepare(config_of("sft", values | {"expand": 2}))
    one = pack([s for item in before.data.items for s in item.sequences])
    targets = torch.zeros(len(one.rows), dtype=torch.long)
    with torch.no_grad():
        wanted = before.learner.module.eval()(one, targets)
        assert torch.allclose(after.learner.module.eval()(one, targets), wanted, atol=1e-5)
    trained = run(config_of("sft", values | {"expand": 2}), tmp_path / "out")
    # What transformers makes of the folder is the model that was trained.
    found: Any = AutoModelForCausalLM.from_pretrained(trained.model, dtype=torch.float32)
    assert found.config.num_hidden_layers == config.num_hidden_layers + 2
    figures = trained.metrics
    assert figures["validation"]["loss"] < figures["validation_before"]["loss"]


def test_only_what_is_new_is_trained(chat: Path, rated: Path, tmp_path: Path) -> None:
    started = load(reward(chat, rated), "attributes")
    run(reward(chat, rated), tmp_path / "out")
    after = weights_of(tmp_path / "out")
    moved = set()
    for name, weight in started.module.inner.state_dict().items():
        if name in after and not torch.equal(weight.to(after[name].dtype), after[name]):
            moved.add(name)
    assert {n for n in moved if "layers." in n} == {n for n in after if "layers.2." in n} | {
        n for n in after if "layers.3." in n
    }
    assert {n for n in moved if "layers." not in n} >= {"model.norm.weight", "score.weight"}
    assert not any("embed" in n for n in moved)
    assert metrics_of(tmp_path / "out")["parameters"]["trained"] < sum(
        p.numel() for p in started.module.parameters()
    )


@pytest.mark.parametrize("frozen", [None, 1])
@pytest.mark.parametrize("loss", ["regression", "both", "bradley_terry"])
def test_likelihood_is_what_the_language_model_says(
    loss: str, frozen: int | None, chat: Path, rated: Path, tmp_path: Path
) -> None:
    pairs = write_rows(tmp_path / "pairs.jsonl", pair_rows(8))
    data = {"regression": [rated], "both": [rated, pairs], "bradley_terry": [pairs]}[loss]
    sources = [{"file": str(file)} for file in data]
    config = reward(chat, rated, likelihood=0.5, loss=loss, data=sources, freeze=frozen)
    work = prepare(config)
    language: Any = AutoModelForCausalLM.from_pretrained(chat, dtype=torch.float32)
    items = work.data.items[:6]
    batch = pack([s for item in items for s in item.sequences])
    said = work.learner.module.train()(batch, None)
    at = 0
    for sequence in (s for item in items for s in item.sequences):
        ids = torch.from_numpy(sequence.ids).long()
        with torch.no_grad():
            logs = torch.log_softmax(language(input_ids=ids[None]).logits[0], -1)
        wanted = logs[sequence.reads - 1, ids[sequence.reads]]
        # Those behind a shared beginning, too, whose neighbour is elsewhere in the pack.
        assert torch.allclose(said[at : at + len(wanted), -1], wanted, atol=1e-4)
        at += len(wanted)
    assert at == len(said)
    run(config, tmp_path / "out")
    assert all("likelihood" in line for line in log_of(tmp_path / "out") if "loss" in line)
    assert not any("likelihood" in name for name in weights_of(tmp_path / "out"))
    assert "likelihood" not in metrics_of(tmp_path / "out")["validation"]


@pytest.mark.parametrize("expand", [None, 1])
@pytest.mark.parametrize("family", OTHERS)
def test_likelihood_stays_that_of_the_starting_model_while_its_top_learns(
    family: str, expand: int | None, rated: Path, tmp_path: Path
) -> None:
    kind, config = OTHERS[family]
    torch.manual_seed(3)
    place = save(kind(config), tmp_path / family)
    started = reward(place, rated, likelihood=0.5, freeze=1, expand=expand)
    work = prepare(started)
    item = work.data.items[0]
    (sequence,) = item.sequences
    language: Any = AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32)
    ids = torch.from_numpy(sequence.ids).long()
    with torch.no_grad():
        logs = torch.log_softmax(language(input_ids=ids[None]).logits[0], -1)
        for parameter in work.learner.module.plain.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1)
    wanted = logs[sequence.reads - 1, ids[sequence.reads]]
    said = work.learner.module.train()(pack([sequence]), None)
    assert torch.allclose(said[:, -1], wanted, atol=1e-4)
    made = run(started, tmp_path / "out")
    found: Any = AutoModelForSequenceClassification.from_pretrained(made.model)
    assert found.config.num_hidden_layers == config.num_hidden_layers + (expand or 0)
    before, after = language.state_dict(), weights_of(tmp_path / "out")
    kept = [name for name in before if "layers.0." in name or "embed_tokens" in name]
    assert kept and all(torch.equal(before[name], after[name].float()) for name in kept)
    assert not all(
        torch.equal(before[name], after[name].float()) for name in before if "layers.1." in name
    )


def test_a_language_model_that_does_more_with_its_states_is_refused() -> None:
    torch.manual_seed(3)
    language: Any = LlamaForCausalLM(LlamaConfig(**SMALL)).eval()
    model = deepcopy(language)
    freeze(model, None, "one")
    expand(model, 1, "one")
    Likelihood(model, language, "one")
    # As models do that scale their scores, or cap them.
    head = language.lm_head
    language.lm_head = nn.Sequential(head, nn.Tanh())
    language.get_output_embeddings = lambda: head
    with pytest.raises(ConfigError, match=r"likelihood: what one \(LlamaForCausalLM\) makes of"):
        Likelihood(model, language, "one")


def test_the_first_steps_may_ask_for_likelihoods_alone(
    chat: Path, rated: Path, tmp_path: Path
) -> None:
    config = reward(chat, rated, likelihood=0.5, likelihood_steps=2, steps=4)
    objective = RewardObjective(config)
    assert objective.weights(2) == {"regression": 0, "likelihood": 0.5}
    assert objective.weights(3) == {"regression": 1, "likelihood": 0.5}
    run(config, tmp_path / "out")
    # The loss is of one kind all the way, so that its curve says something.
    steps = [line for line in log_of(tmp_path / "out") if "loss" in line]
    assert len(steps) == 4
    for line in steps:
        whole = line["regression"] + 0.5 * line["likelihood"]
        assert line["loss"] == pytest.approx(whole, abs=1e-5)


def test_likelihood_is_on_the_scale_of_labels_and_unknown_ones_count_nothing() -> None:
    logs = torch.tensor([0.0, -1.0, -4.0, -9.0, float("nan")])
    said = torch.tensor([4.0, 3.0, 1.0, 1.0, 7.0], requires_grad=True)
    errors = likelihood(said, logs)
    assert errors.tolist() == [0, 0, 1, 1, 0]
    errors.sum().backward()
    assert said.grad is not None
    assert said.grad.tolist() == [0, 0, 2, 2, 0]


def test_a_stopped_run_goes_on_as_if_nothing_had_happened(
    chat: Path, rated: Path, tmp_path: Path
) -> None:
    config = reward(
        chat, rated, likelihood=1.0, likelihood_steps=3, save_every=2, optimizer={"name": "muon"}
    )
    whole = run(config, tmp_path / "whole")

    def stop(line: dict[str, Any]) -> None:
        if line["step"] == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(config, tmp_path / "halted", watch=stop)
    run(config, tmp_path / "halted")
    assert losses_of(whole.folder) == losses_of(tmp_path / "halted")
    for name, weight in weights_of(whole.folder).items():
        assert torch.equal(weight, weights_of(tmp_path / "halted")[name]), name


def test_what_cannot_be_is_said(chat: Path, rated: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="leave `lora` out"):
        reward(chat, rated, lora={})
    with pytest.raises(ConfigError, match=r"likelihood needs layers that stay: set `freeze` or"):
        config_of("reward", values_of(f"hf:{chat}", rated, likelihood=0.5))
    with pytest.raises(ConfigError, match=r"likelihood_steps without `likelihood`"):
        reward(chat, rated, likelihood_steps=3)
    with pytest.raises(ConfigError, match=r"freeze: 3 layers of .*chat, which has 2"):
        prepare(reward(chat, rated, freeze=3))
    with pytest.raises(ConfigError, match=r"freeze: all layers of .*; likelihood needs one"):
        prepare(reward(chat, rated, freeze=2, expand=None, likelihood=0.5))
    with pytest.raises(ConfigError, match="likelihood_steps: 9 of 2 steps leave none"):
        prepare(reward(chat, rated, likelihood=0.5, likelihood_steps=9, steps=2))
    with pytest.raises(ConfigError, match="a new model has nothing to keep"):
        new = {"preset": "tiny", "tokenizer": "tiny:base", "data": [{"file": "tutor:9:text"}]}
        config_of("pretrain", new | {"freeze": 1})
    with pytest.raises(ConfigError, match="tiny:reward is a reward model; name a chat or base"):
        prepare(reward("tiny:reward", rated, likelihood=0.5))
    mixture = MixtralForCausalLM(MixtralConfig(**SMALL, num_local_experts=2))
    place = save(mixture, tmp_path / "mixture")
    with pytest.raises(ConfigError, match=r"how a layer of .* adds to its input is not known"):
        prepare(reward(place, rated))
    old = GPT2LMHeadModel(GPT2Config(vocab_size=1024, n_embd=32, n_layer=2, n_head=4))
    place = save(old, tmp_path / "old")
    with pytest.raises(ConfigError, match="has no list of layers"):
        prepare(reward(place, rated))
