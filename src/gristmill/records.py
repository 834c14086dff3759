"""The frozen records that flow through everything.

One walk: a `Prompt` is read; a backend samples a `Response`; a reward backend grades it with a
`Score`; a judge turns that into a `Verdict`; response and verdicts make a `Sample`; the n
samples of a prompt make a `Graded`; filters add one `Decision` a sample.
Every step returns a new record, none is ever changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, NamedTuple

ATTRIBUTES = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
"""HelpSteer2's five attributes, always in this order, each 0 to 4."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. `role` is `system`, `user` or `assistant`."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is asked: one or more messages, the last of them the user's.

    id: content hash of the messages (see `prompt_id`), or the id that the file gave.
    answer: ground truth, where there is one.
    source: where it came from: `prompts.jsonl` or `recipe:open_qa`.
    parents: ids of what it was made from (topic, draft, document), oldest first.
    tests: a program that tests the code in an answer; the judge `code` runs it.
    constraints: what can be checked in an answer, each one JSON, `{"paragraphs": {"count": 3}}`;
    the judge `format` does.
    """

    id: str
    messages: tuple[Message, ...]
    answer: str | None = None
    category: str | None = None
    language: str | None = None
    source: str = ""
    parents: tuple[str, ...] = ()
    tests: str | None = None
    constraints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to sample. temperature 0 is greedy; max_tokens counts new tokens; seed is the run's.

    schema: a JSON schema that the answer must match, for a server that can hold a model to one
    (`response_format`); other backends pass it over.
    """

    temperature: float = 0.8
    top_p: float = 1.0
    max_tokens: int = 512
    seed: int = 0
    schema: Mapping[str, Any] | None = field(default=None, hash=False)


@dataclass(frozen=True, slots=True)
class Response:
    """One answer of a chat backend.

    finish_reason: `stop`, `length`, or what the server said. Token counts are the server's own,
    0 where it gave none.
    """

    text: str
    model: str
    finish_reason: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Score:
    """One reply of a reward backend: five attributes in order, or one scalar, as it was given."""

    model: str
    attributes: tuple[float, float, float, float, float] | None = None
    scalar: float | None = None
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one judge says of one response.

    reward: the scalar that selection ranks by, finite; None where the judge has no say about such
    a prompt (a math judge, where no answer is given), which is not a failure and not a score.
    attributes: the five, where the judge knows them.
    detail: its reasons, or the evidence. turns: the reward of each turn of the assistant, where
    it graded them all, the response's last. weight: in the reward of several judges together.
    vector: of a judge that embeds, for filters (`similarity.vectors.pack`); such a judge gives no
    reward, and its vectors stay in the checkpoint.
    """

    judge: str
    model: str
    reward: float | None
    attributes: tuple[float, float, float, float, float] | None = None
    tokens: int = 0
    detail: str = ""
    turns: tuple[float, ...] = ()
    weight: float = 1.0
    vector: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """A call that failed for good. `stage` is `generate` or the judge's name."""

    stage: str
    kind: str
    message: str

    @property
    def reason(self) -> str:
        """The reason of the rejected row."""
        return f"error:{self.kind}"


@dataclass(frozen=True, slots=True)
class Sample:
    """The `index`-th response to a prompt with its verdicts, or the failure in its place.

    A failed generation has no response; a failed judgement has a response and a failure.
    """

    index: int
    response: Response | None = None
    verdicts: tuple[Verdict, ...] = ()
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Graded:
    """A finished prompt. `position` is its place in the input, from 0."""

    position: int
    prompt: Prompt
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """Keep or drop. `reason` is empty for kept, else the first filter that said no, with detail
    after a colon: `threshold:correctness`, `dedup`, `error:timeout`; `evidence` is what it saw.

    text: what the response reads after filters that change it; None as it was.
    """

    keep: bool
    reason: str = ""
    evidence: str = ""
    text: str | None = None


class Drop(NamedTuple):
    """Why a filter drops a response: a few stable words, and what it saw."""

    reason: str
    evidence: str


KEPT = Decision(True)


def prompt_id(messages: tuple[Message, ...]) -> str:
    """16 hex digits of BLAKE2b over roles and contents: equal messages, equal id, everywhere."""
    digest = blake2b(digest_size=8)
    for message in messages:
        # The lengths keep ("ab", "c") apart from ("a", "bc").
        content = message.content.encode("utf-8", "surrogatepass")
        digest.update(f"{message.role}:{len(content)}:".encode())
        digest.update(content)
    return digest.hexdigest()


def response_id(prompt: str, index: int) -> str:
    """The id of the `index`-th response to a prompt: the prompt's id, a dot, the index."""
    return f"{prompt}.{index}"


def sample_seed(seed: int, prompt: str, index: int) -> int:
    """The seed of one sample, 31 bits, the same whichever executor runs it in whatever order."""
    key = f"{seed}:{prompt}:{index}".encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(key, digest_size=4).digest(), "big") >> 1


def as_dicts(messages: tuple[Message, ...]) -> list[dict[str, Any]]:
    """Messages as the `role`/`content` dictionaries that endpoints and trainers read."""
    return [{"role": m.role, "content": m.content} for m in messages]
