"""What a training config may hold: what all kinds share, and what each adds.

    name: my-reward
    model: hf:./base
    data: [{file: helpsteer2.jsonl}, {file: own.jsonl, weight: 2}]
    epochs: 2
    batch: {examples: 128, tokens: 16384}
    optimizer: {lr: 2.0e-6, warmup: 10}

The kind is the command's (`gristmill train reward CONFIG`), or a stage's key.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from gristmill.page.text import plural
from gristmill.parts import Options
from gristmill.records import ATTRIBUTES
from gristmill.train.sources import TrainingSource

TrackerName = Literal["tensorboard", "wandb", "trackio"]


class Batch(Options):
    """How much is learned from at once."""

    examples: int = Field(default=128, ge=1)
    """Examples behind one step of the optimizer: rated responses, pairs, or conversations. 128 is
    the published setting of HelpSteer2's reward models."""
    tokens: int = Field(default=16_384, ge=16)
    """Tokens computed at once, which is what decides the memory. The step is cut into as many
    parts as need be; their gradients add up to that of the whole, exactly."""


class Optimizer(Options):
    """What steps the weights, and its schedule."""

    name: Literal["adamw", "muon"] = "adamw"
    """`muon` steps the matrices of hidden layers along their orthogonalised momentum, and all else
    as AdamW does, by one rate: for pretraining, and for tuning all weights of what Muon has
    pretrained. It needs whole matrices: neither `lora` nor `sharding: fsdp`."""

    lr: float = Field(default=2e-6, gt=0)
    """Highest learning rate. The default is HelpSteer2's for full weights of a large model; LoRA
    wants about 1e-4, the tiny family about 1e-3."""
    warmup: int = Field(default=10, ge=0)
    """Steps over which the rate rises from zero."""
    schedule: Literal["constant", "linear", "cosine", "wsd"] = "constant"
    """After the warm-up: as it is, or down to zero at the last step, straight or by a cosine; or
    `wsd`, warm-up, stable, decay: as it is, and straight down over the last part."""
    decay: float = Field(default=0.2, gt=0, le=1)
    """The part of the steps over which `wsd` goes down."""
    betas: tuple[float, float] = (0.9, 0.98)
    """Decay of the two running means of AdamW, as in NeMo-Aligner."""
    weight_decay: float = Field(default=0.1, ge=0)
    """Of matrices; norms and biases are left alone."""
    clip: float = Field(default=1.0, gt=0)
    """Longest gradient, as a norm; a longer one is scaled down to it."""


class Lora(Options):
    """Low-rank adapters (peft) instead of all weights. They are merged into what is saved."""

    rank: int = Field(default=16, ge=1)
    """Inner width of an adapter."""
    alpha: int = Field(default=32, ge=1)
    """An adapter's output is scaled by alpha / rank."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Of an adapter's input while training."""
    targets: str | list[str] = "all-linear"
    """Names of the layers that get one; by default every linear layer but the head."""


class TrainConfig(Options):
    """What all kinds of training share."""

    kind: ClassVar[str] = ""

    name: str = "model"
    """Of the model, as its card shows it."""
    model: str
    """Where training starts: `tiny:instruct`, `hf:org/name` or `hf:./dir`."""
    data: list[TrainingSource] = Field(min_length=1)
    """What is learned from; several sources are mixed by their weights."""
    validation: float | list[TrainingSource] = 0.05
    """What is measured on and never trained on: a share of the prompts, or sources of its own,
    whose prompts are then taken out of `data`. 0 for none."""
    epochs: int = Field(default=1, ge=1)
    """Times through the data."""
    steps: int | None = Field(default=None, ge=1)
    """Stop after so many steps, whatever `epochs` says."""
    batch: Batch = Batch()
    """How much is learned from at once."""
    optimizer: Optimizer = Optimizer()
    """Learning rate and schedule."""
    lora: Lora | None = None
    """Train adapters instead of all weights."""
    expand: int | None = Field(default=None, ge=1)
    """Put so many new layers on top, which begin as the identity (block expansion, LLaMA Pro,
    arXiv:2401.02415): the model keeps what it knows, and learns to use it."""
    freeze: int | None = Field(default=None, ge=1)
    """So many of the lowest layers, and the embeddings, stay as they are. With `expand` by default
    all but the new ones."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """Of the arithmetic. The weights that are stepped stay float32 either way."""
    checkpointing: bool = False
    """Compute activations again in the backward pass instead of keeping them: about a third
    slower, a fraction of the memory."""
    sharding: Literal["replicate", "fsdp"] = "replicate"
    """With several processes: each holds the whole model, or a share of it (FSDP2)."""
    max_length: int | None = Field(default=None, ge=2)
    """Longest example in tokens; longer ones are put aside. By default the model's context."""
    template: str | None = None
    """A Jinja chat template file, for a base model that has none."""
    save_every: int = Field(default=100, ge=1)
    """Steps between checkpoints. A run that was killed goes on from the last."""
    measure_every: int = Field(default=50, ge=1)
    """Steps between measurements on the validation data."""
    report_to: list[TrackerName] = Field(default_factory=list)
    """Where the figures of each step go besides `log.jsonl`: `tensorboard` (event files under
    `tensorboard/`), `wandb` (Weights & Biases), `trackio`. Keys come from their own environment
    variables; one that fails does not end the training."""
    tensorboard: bool = False
    """The same as `report_to: tensorboard`."""
    licence: str | None = None
    """SPDX name for the model's card; by default what the starting model's card says."""
    seed: int = Field(default=0, ge=0, lt=1 << 31)
    """Of the order of the data, of dropout, and of what is new in the model."""

    @model_validator(mode="after")
    def _whole_matrices(self) -> Self:
        if (self.expand or self.freeze) and self.lora is not None:
            raise ValueError("expand and freeze say what is trained; leave `lora` out")
        for other, given in (("lora", self.lora), ("sharding: fsdp", self.sharding == "fsdp")):
            if self.optimizer.name == "muon" and given:
                raise ValueError(f"optimizer: muon needs whole matrices; leave `{other}` out")
        return self

    @field_validator("data", "report_to", mode="before")
    @classmethod
    def _one_or_many(cls, given: Any) -> Any:
        return [given] if isinstance(given, dict | str) else given

    @field_validator("validation")
    @classmethod
    def _share(cls, share: Any) -> Any:
        if isinstance(share, float) and not 0 <= share <= 0.5:
            raise ValueError("a share from 0 to 0.5, or a list of sources")
        return share

    @property
    def trackers(self) -> list[TrackerName]:
        """Who is told of each step, each once."""
        also: list[TrackerName] = ["tensorboard"] if self.tensorboard else []
        return list(dict.fromkeys([*self.report_to, *also]))

    def located(self, folder: Path) -> TrainConfig:
        """The same with relative paths of files starting from `folder`."""

        def placed(sources: list[TrainingSource]) -> list[TrainingSource]:
            return [source.located(folder) for source in sources]

        update: dict[str, Any] = {"data": placed(self.data), "model": model_at(self.model, folder)}
        if isinstance(self.validation, list):
            update["validation"] = placed(self.validation)
        if self.template is not None:
            update["template"] = str(folder / self.template)
        if isinstance(self, PretrainConfig) and self.tokenizer is not None:
            update["tokenizer"] = model_at(self.tokenizer, folder)
        return self.model_copy(update=update)


def model_at(model: str, folder: Path) -> str:
    """`hf:./dir` seen from a config's folder; other model strings as they are."""
    prefix, _, rest = model.partition(":")
    if prefix != "hf" or not rest.startswith("."):
        return model
    place = folder / rest
    # The dot stays: without one a folder that is not there would be looked for on the hub.
    return f"hf:{place}" if place.is_absolute() else f"hf:./{place}"


class ChatConfig(TrainConfig):
    """What all kinds share that learn what the assistant said."""

    reasoning: Literal["keep", "inline", "drop"] = "keep"
    """What becomes of the assistant's thoughts: they are given to the chat template, which writes
    them in the model's own way (a row of which it would leave out what is to be learned is put
    aside); they are written into the text, `<think>` and `</think>` around them, for templates
    that know none; or they are left out."""


class SftConfig(ChatConfig):
    """Supervised fine-tuning: what the assistant said is predicted, everything else only read."""

    kind: ClassVar[str] = "sft"

    turns: Literal["all", "last"] = "all"
    """Which assistant turns of a conversation are learned."""


class RewardConfig(TrainConfig):
    """A reward model."""

    kind: ClassVar[str] = "reward"

    loss: Literal["regression", "bradley_terry", "both"] = "regression"
    """Of rated responses (five attributes, missing ones masked), of pairs, or the sum of both."""
    pairs: Literal["plain", "margin", "scaled"] = "plain"
    """What a pair's preference strength does: nothing, it is the gap that is asked for, or it
    weighs the pair's loss (the best of the three in HelpSteer2-Preference)."""
    pair_weight: float = Field(default=1.0, gt=0)
    """Weight of the pairs beside the regression in `both`."""
    likelihood: float = Field(default=0.0, ge=0)
    """Weight of a second aim, beside `freeze` or `expand`: at each token of what is rated, the
    trained layers say how likely the starting model finds it. A mistake is mostly what it would not
    have said itself. The output for it is dropped at the end."""
    likelihood_steps: int = Field(default=0, ge=0)
    """Steps at the beginning in which that is the only aim."""
    centring: float = Field(default=0.0, ge=0)
    """Weight of the squared sum of both rewards of a pair, which keeps them around zero."""
    weights: dict[str, float] = Field(
        default_factory=lambda: dict(zip(ATTRIBUTES, (0.3, 0.74, 0.46, 0.47, -0.33), strict=True))
    )
    """Of the attributes in the reward that ranks; by default the model card's of
    Nemotron-4-340B-Reward."""

    @model_validator(mode="after")
    def _from_below(self) -> Self:
        if self.likelihood and not (self.expand or self.freeze):
            raise ValueError("likelihood needs layers that stay: set `freeze` or `expand`, too")
        if self.likelihood_steps and not self.likelihood:
            raise ValueError("likelihood_steps without `likelihood`: set that, too")
        return self

    @field_validator("weights")
    @classmethod
    def _known(cls, weights: dict[str, float]) -> dict[str, float]:
        unknown = sorted(set(weights) - set(ATTRIBUTES))
        if unknown:
            raise ValueError(f"unknown attribute '{unknown[0]}'; known: {', '.join(ATTRIBUTES)}")
        if not any(weights.values()):
            raise ValueError("at least one weight must differ from 0")
        return weights


class PreferenceConfig(ChatConfig):
    """What DPO and RPO share."""

    beta: float = Field(default=0.1, gt=0)
    """How much a difference of log-probabilities counts. Nemotron-4's alignment used 3e-4 to 3e-3
    for DPO and 1e-3 to 1 for RPO; small models bear more."""
    sft_weight: float = Field(default=1e-5, ge=0)
    """Weight of -log p(chosen), summed over its tokens, which keeps the chosen likely."""


class DpoConfig(PreferenceConfig):
    """Direct preference optimisation."""

    kind: ClassVar[str] = "dpo"


class RpoConfig(PreferenceConfig):
    """Reward-aware preference optimisation: the gap that the policy implies should be as large
    as the reward model's, not as large as possible. Pairs need `chosen_score`, `rejected_score`."""

    kind: ClassVar[str] = "rpo"

    eta: float = Field(default=1.0, gt=0)
    """How much the reward model's gap counts."""
    divergence: Literal["backward_kl", "forward_kl", "squared"] = "backward_kl"
    """How the two gaps are compared; backward KL is the report's."""


class Phase(Options):
    """One stretch of pretraining with a mix of its own."""

    steps: int = Field(ge=1)
    """Steps of the optimizer."""
    weights: list[float] | None = None
    """Weight of each entry of `data` in this phase, in their order; 0 leaves one out. By default
    the sources' own."""
    decay: bool = False
    """Whether the rate falls to zero over this phase, steeply, instead of staying as it is."""


class PretrainConfig(TrainConfig):
    """Next-token prediction on plain text, in phases."""

    kind: ClassVar[str] = "pretrain"

    model: str = ""
    """A model to continue. Leave it out and give `preset` and `tokenizer` for a new one."""
    preset: str | None = None
    """Architecture of a new model: tiny, mini-4b, 15b, 340b."""
    tokenizer: str | None = None
    """Model string whose tokenizer a new model takes."""
    phases: list[Phase] = Field(default_factory=list)
    """In order; the last usually decays. Without any, `epochs` and `schedule` hold."""

    @model_validator(mode="after")
    def _old_or_new(self) -> PretrainConfig:
        if bool(self.model) == bool(self.preset and self.tokenizer):
            raise ValueError("give either `model`, or `preset` and `tokenizer`")
        if self.preset and (self.freeze or self.expand):
            raise ValueError("a new model has nothing to keep; leave `freeze` and `expand` out")
        for phase in self.phases:
            if phase.weights is not None and len(phase.weights) != len(self.data):
                raise ValueError(
                    f"phases.weights has {plural(len(phase.weights), 'entry', 'entries')}, "
                    f"data {len(self.data)}"
                )
        return self


KINDS: dict[str, type[TrainConfig]] = {
    c.kind: c for c in (PretrainConfig, SftConfig, RewardConfig, DpoConfig, RpoConfig)
}
