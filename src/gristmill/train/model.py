"""The model that is trained: loaded, given a head and adapters, read in packs, saved again."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gristmill import packing
from gristmill.backends.local_load import (
    SAFELY,
    Source,
    context_length,
    find,
    is_reward,
    load_config,
    load_tokenizer,
    quietly,
    reading,
)
from gristmill.backends.local_quantized import method_of
from gristmill.backends.local_reward import columns, reward_class
from gristmill.errors import ConfigError
from gristmill.nemotron import STOPS, preset
from gristmill.nemotron.chat import RATE, reward_template
from gristmill.nemotron.folding import as_classifier, folded
from gristmill.packing import Pack
from gristmill.records import ATTRIBUTES
from gristmill.train.config import Lora, PretrainConfig, RewardConfig, TrainConfig
from gristmill.train.layers import Likelihood, expand, freeze


class Packed(nn.Module):
    """A model that reads packs. `columns`: outputs of a reward head that are meant, in order;
    None for a language model. likelihood: what adds two columns to these while a reward model is
    trained."""

    def __init__(
        self, inner: Any, columns: tuple[int, ...] | None, likelihood: Likelihood | None = None
    ) -> None:
        super().__init__()
        self.inner = inner
        self.columns = columns
        self.likelihood = likelihood

    @property
    def plain(self) -> Any:
        """The model without adapters around it."""
        return self.inner.get_base_model() if hasattr(self.inner, "peft_config") else self.inner

    def forward(self, pack: Pack, targets: Tensor | None = None) -> Tensor:
        """Log-probabilities of `targets` after each read token, (R,) float32; or the head's
        outputs there, (R, K) float32."""
        if self.columns is None:
            assert targets is not None
            logits = packing.run(self.inner, pack, logits_to_keep=pack.rows).logits[0]
            return -F.cross_entropy(logits.float(), targets, reduction="none")
        states = packing.run(self.plain.base_model, pack).last_hidden_state[0][pack.rows]
        said = self.plain.score(states)[:, list(self.columns)].float()
        if self.likelihood is None or not self.training:
            return said
        return torch.cat((said, self.likelihood(states, pack)), dim=1)


@dataclass(frozen=True)
class Learner:
    """What training works on. context: tokens the model knows positions for, or None.
    dtype: what the weights are saved as. has_new_head: whether a reward head was made for this
    run."""

    module: Packed
    tokenizer: Any
    context: int | None
    source: Source
    dtype: torch.dtype
    has_new_head: bool = False

    def parameters(self) -> dict[str, int]:
        """How many there are, and how many are trained."""
        every = list(self.module.parameters())
        return {
            "all": sum(p.numel() for p in every),
            "trained": sum(p.numel() for p in every if p.requires_grad),
        }


def load(config: TrainConfig, head: str) -> Learner:
    """The starting model, float32, on this process's device.

    head: `tokens` for a language model, `attributes` or `scalar` for a reward model. Raises
    ConfigError for a model that cannot be trained this way, MissingExtra without torch or peft.
    """
    # A new head and new adapters are drawn at random: alike in every process, and in every run.
    torch.manual_seed(config.seed)
    if isinstance(config, PretrainConfig) and config.preset:
        return _fresh(config)
    source = find(config.model)
    stated = load_config(source)
    if method := method_of(stated):
        raise ConfigError(
            f"model: {config.model} has weights in fewer bits ({method}); train the model that it "
            "was made from"
        )
    tokenizer = _tokenizer(source, config, reward=head != "tokens")
    if head == "tokens":
        if is_reward(stated):
            raise _no_language_model(config)
        model, wanted = _language_model(source), None
    else:
        if is_reward(stated) and isinstance(config, RewardConfig) and config.likelihood:
            raise _no_language_model(config)
        model, wanted = _reward_model(source, stated, head)
    dtype = getattr(torch, str(stated.get("dtype") or stated.get("torch_dtype") or "float32"))
    context = context_length(model.config, tokenizer)
    new = head != "tokens" and not is_reward(stated)
    return Learner(_prepared(model, wanted, config), tokenizer, context, source, dtype, new)


def _no_language_model(config: TrainConfig) -> ConfigError:
    return ConfigError(f"model: {config.model} is a reward model; name a chat or base model")


def _prepared(model: Any, wanted: tuple[int, ...] | None, config: TrainConfig) -> Packed:
    model.float()
    if config.freeze or config.expand:
        freeze(model, config.freeze, config.model)
    if config.expand:
        expand(model, config.expand, config.model)
    if not packing.can_attend(model):
        raise ConfigError(
            f"model: {config.model} ({type(model).__name__}) cannot be trained here: it has "
            "recurrent layers, or an attention of its own"
        )
    likelihood = None
    if isinstance(config, RewardConfig) and config.likelihood:
        language = _language_model(find(config.model))
        likelihood = Likelihood(model, language, config.model)
        packing.attend(language)
    packing.attend(model)
    if config.checkpointing:
        # The older name warns in newer versions of transformers, which have another.
        older = model.gradient_checkpointing_enable
        getattr(model, "activation_checkpointing_enable", older)({"use_reentrant": False})
    if config.lora is not None:
        model = _adapted(model, config.lora, head=wanted is not None)
    return Packed(model, wanted, likelihood)


def _language_model(source: Source) -> Any:
    from transformers import AutoModelForCausalLM

    with reading(source):
        return AutoModelForCausalLM.from_pretrained(source.place, dtype=torch.float32, **SAFELY)


def _reward_model(source: Source, stated: dict[str, Any], head: str) -> tuple[Any, tuple[int, ...]]:
    """A reward model, from one or from a language model, and which outputs are meant."""
    if is_reward(stated):
        kind = reward_class(stated)
        with reading(source):
            model = kind.from_pretrained(source.place, dtype=torch.float32, **SAFELY)
        _check_head(source, model)
        wanted = columns(source.model, stated, model.score.out_features)
        if (len(wanted) == 1) != (head == "scalar") and head == "attributes":
            raise ConfigError(
                f"model: {source.model} gives one scalar, regression needs the five attributes; "
                "start from a language model, or use loss: bradley_terry"
            )
        return model, wanted
    outputs = len(ATTRIBUTES) if head == "attributes" else 1
    if stated.get("model_type") == "nemotron" and head == "attributes":
        from gristmill.nemotron.reward_model import NemotronRewardModel as kind

        named: dict[str, Any] = {}
    else:
        from transformers import AutoModelForSequenceClassification as kind

        labels = dict(enumerate(ATTRIBUTES if outputs > 1 else ("reward",)))
        # Five float labels would otherwise make transformers choose binary cross-entropy.
        named = {"id2label": labels, "problem_type": "regression"}
    with reading(source):
        model = kind.from_pretrained(source.place, dtype=torch.float32, **SAFELY, **named)
    _check_head(source, model)
    nn.init.normal_(model.score.weight, std=0.01)
    return model, tuple(range(outputs))


def _check_head(source: Source, model: Any) -> None:
    """Decoders call their head `score`; encoders pool in ways of their own."""
    if not isinstance(getattr(model, "score", None), nn.Linear):
        raise ConfigError(
            f"model: {source.model} ({type(model).__name__}) has no linear head on its last "
            "token's state; start from a decoder"
        )


def start_at(module: Packed, means: list[float]) -> None:
    """Let a new head with a bias begin at the mean of the labels, (5,): the first steps then
    learn what sets responses apart, not where the scale lies."""
    bias = module.plain.score.bias
    if bias is not None and module.columns is not None:
        with torch.no_grad():
            bias[list(module.columns)] = torch.tensor(means, dtype=bias.dtype)


def _fresh(config: PretrainConfig) -> Learner:
    """A new language model of the family."""
    from transformers import NemotronConfig, NemotronForCausalLM

    assert config.preset and config.tokenizer
    try:
        shape = preset(config.preset)
    except ValueError as error:
        raise ConfigError(f"preset: {error}") from None
    source = find(config.tokenizer)
    tokenizer = _tokenizer(source, config, reward=False)
    tokenizer.model_max_length = shape.context
    end = tokenizer.eos_token_id
    size = max(len(tokenizer), shape.vocab if config.preset != "tiny" else len(tokenizer))
    ends = {"bos_token_id": end, "eos_token_id": end, "pad_token_id": end}
    arguments: dict[str, Any] = {**shape.config_kwargs(), "vocab_size": size, **ends}
    model: Any = NemotronForCausalLM(NemotronConfig(**arguments))
    _begin(model, shape.init_std)
    stops = [tokenizer.convert_tokens_to_ids(token) for token in STOPS]
    model.generation_config.eos_token_id = [s for s in stops if s is not None] or end
    model.config.dtype = torch.bfloat16
    context = context_length(model.config, tokenizer)
    return Learner(_prepared(model, None, config), tokenizer, context, source, torch.bfloat16)


@torch.no_grad()
def _begin(model: Any, std: float) -> None:
    """Weights of a new model: LayerNorm1P stores its weight minus one, which transformers starts
    at 1; and each layer begins as the identity, which about halves the steps to a given loss."""
    for name, weight in model.named_parameters():
        if "norm" in name or name.endswith(("o_proj.weight", "down_proj.weight")):
            weight.zero_()
        elif name.endswith("embed_tokens.weight"):
            weight.normal_(std=std)
        elif name.endswith("_proj.weight"):
            weight.normal_(std=weight.shape[1] ** -0.5)
        else:
            weight.zero_()


def _tokenizer(source: Source, config: TrainConfig, *, reward: bool) -> Any:
    template = config.template
    # Plain text needs none.
    needed = template is None and not isinstance(config, PretrainConfig)
    tokenizer = load_tokenizer(source, needs_template=needed)
    if template is not None:
        try:
            tokenizer.chat_template = Path(template).read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"template: cannot read {template}: {error.strerror}") from None
    # The family's reward models end what they rate in a token of its own.
    if reward and isinstance(tokenizer.chat_template, str) and RATE in tokenizer.get_vocab():
        tokenizer.chat_template = reward_template(tokenizer.chat_template)
    return tokenizer


def _adapted(model: Any, lora: Lora, *, head: bool) -> Any:
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError:
        from gristmill.errors import MissingExtra

        raise MissingExtra("lora", "train") from None
    linear = (n for n, m in model.base_model.named_modules() if isinstance(m, nn.Linear))
    known = sorted({name.rpartition(".")[2] for name in linear})
    targets = [lora.targets] if isinstance(lora.targets, str) else lora.targets
    targets = known if targets == ["all-linear"] else targets
    made = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=targets,
        modules_to_save=["score"] if head else None,
    )
    with warnings.catch_warnings():
        # peft uses names that transformers has given up; the user can do nothing about it.
        warnings.simplefilter("ignore", FutureWarning)
        try:
            return get_peft_model(model, made)
        except ValueError:
            raise ConfigError(
                f"lora.targets: no layer is called {' or '.join(targets)}; there are "
                f"{', '.join(known)}"
            ) from None


def save(learner: Learner, weights: dict[str, Tensor], folder: Path) -> list[str]:
    """Write a Hugging Face folder: merged weights in the starting model's dtype, tokenizer, chat
    template; a reward model as engines know them (`nemotron.folding`). weights: the module's whole
    state, on the CPU. Returns what a user should be warned of."""
    told: list[str] = []
    module = learner.module
    module.load_state_dict(weights)
    model = module.inner
    if hasattr(model, "peft_config"):
        model = model.merge_and_unload()
    if module.columns is not None:
        try:
            model = _without_bias(model, module.columns, learner.dtype)
        except ValueError as error:
            told.append(f"Only gristmill loads this reward model, no other engine: {error}.")
        if model.config.pad_token_id is None:
            model.config.pad_token_id = learner.tokenizer.pad_token_id
    with quietly():
        model.to(learner.dtype).save_pretrained(folder)
        learner.tokenizer.save_pretrained(folder)
    return told


def _without_bias(model: Any, columns: tuple[int, ...], dtype: torch.dtype) -> Any:
    """The same reward model in transformers' own class, whose head has no bias."""
    if model.score.bias is None:
        return model
    from transformers import NemotronForSequenceClassification

    weights = folded(model.state_dict(), columns, dtype)
    with torch.device("meta"):
        made = NemotronForSequenceClassification(as_classifier(model.config))
    made.load_state_dict(weights, assign=True)
    return made
