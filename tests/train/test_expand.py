"""New layers on top: they begin by adding nothing, they alone are trained, and they can be asked
how likely the model below finds what it reads."""

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
from gristmill.train.expand import Likelihood, expand
from gristmill.train.losses import likelihood
from gristmill.train.model import load
from gristmill.train.objectives import _apart
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


@pytest.mark.parametrize("keep", [None, 1])
@pytest.mark.parametrize("loss", ["regression", "both", "bradley_terry"])
def test_likelihood_is_what_the_language_model_says(
    loss: str, keep: int | None, chat: Path, rated: Path, tmp_path: Path
) -> None:
    pairs = write_rows(tmp_path / "pairs.jsonl", pair_rows(8))
    data = {"regression": [rated], "both": [rated, pairs], "bradley_terry": [pairs]}[loss]
    sources = [{"file": str(file)} for file in data]
    config = reward(chat, rated, likelihood=0.5, loss=loss, data=sources, keep_layers=keep)
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


@pytest.mark.parametrize("family", OTHERS)
def test_likelihood_of_a_whole_model_with_fewer_layers_kept(
    family: str, rated: Path, tmp_path: Path
) -> None:
    kind, config = OTHERS[family]
    torch.manual_seed(3)
    place = save(kind(config), tmp_path / family)
    work = prepare(reward(place, rated, likelihood=0.5, keep_layers=1))
    assert work.learner.module.plain.config.num_hidden_layers == 3
    item = work.data.items[0]
    (sequence,) = item.sequences
    said = work.learner.module.train()(pack([sequence]), None)
    language: Any = AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32)
    ids = torch.from_numpy(sequence.ids).long()
    with torch.no_grad():
        logs = torch.log_softmax(language(input_ids=ids[None]).logits[0], -1)
    wanted = logs[sequence.reads - 1, ids[sequence.reads]]
    assert torch.allclose(said[:, -1], wanted, atol=1e-4)
    made = run(reward(place, rated, likelihood=0.5, keep_layers=1), tmp_path / "out")
    found: Any = AutoModelForSequenceClassification.from_pretrained(made.model)
    assert found.config.num_hidden_layers == 3


def test_a_language_model_that_does_more_with_its_states_is_refused() -> None:
    torch.manual_seed(3)
    language: Any = LlamaForCausalLM(LlamaConfig(**SMALL)).eval()
    model = deepcopy(language)
    expand(model, 1, None, "one")
    Likelihood(model, 1, language)
    # As models do that scale their scores, or cap them.
    head = language.lm_head
    language.lm_head = nn.Sequential(head, nn.Tanh())
    language.get_output_embeddings = lambda: head
    with pytest.raises(ConfigError, match="likelihood: what LlamaForCausalLM makes of its layers"):
        Likelihood(model, 1, language)


def test_the_least_likely_so_far_is_aimed_at_within_each_text() -> None:
    logs = torch.tensor([-0.5, -3.0, -1.0, -0.25, -0.75])
    owners = torch.tensor([0, 0, 0, 1, 1])
    # What is said of the ends, the third and the last, is another matter.
    said = torch.tensor([[9.0, 3.5, 3.5], [9.0, 1.0, 1.0], [7.0, 0.0, 0.0]])
    said = torch.cat((said, torch.tensor([[9.0, 3.75, 2.75], [6.0, 0.0, 0.0]])))
    error, ends = _apart(torch.cat((said, logs[:, None]), dim=1), owners)
    assert error.item() == 1.0
    assert ends.tolist() == [[7.0], [6.0]]


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
    config = reward(chat, rated, likelihood=1.0, save_every=2, optimizer={"name": "muon"})
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
    with pytest.raises(ConfigError, match=r"likelihood is what new layers say.*set `expand`"):
        config_of("reward", values_of(f"hf:{chat}", rated, likelihood=0.5))
    with pytest.raises(ConfigError, match=r"keep_layers are those below new ones: set `expand`"):
        config_of("reward", values_of(f"hf:{chat}", rated, keep_layers=1))
    with pytest.raises(ConfigError, match=r"keep_layers: 3 of .*chat, which has 2"):
        prepare(reward(chat, rated, keep_layers=3))
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
