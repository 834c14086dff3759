"""The frozen records that flow through everything.

One walk: a `Prompt` is read; a backend samples a `Response`; a reward backend grades it with a
`Score`; a judge turns that into a `Verdict`; response and verdicts make a `Sample`; the n
samples of a prompt make a `Graded`; filters add one `Decision` a sample.
Every step returns a new record, none is ever changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, NamedTuple

import orjson

from gristmill.foreign import read_json

ATTRIBUTES = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
"""HelpSteer2's five attributes, always in this order, each 0 to 4."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """What an assistant asks a tool to do. arguments: JSON, as the model wrote it. id: what the
    tool's answer names; empty where nobody gave one."""

    name: str
    arguments: str = "{}"
    id: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. `role` is `system`, `user`, `assistant` or `tool`.

    content: what was said; of the assistant's turn the answer alone.
    reasoning: what the assistant thought before it. tool_calls: what it asks tools to do.
    tool_call_id, name: of a tool's turn, the call that it answers, and the tool.
    learned: False for a turn of the assistant's that is not to be imitated.
    """

    role: str
    content: str
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    name: str = ""
    learned: bool = True

    @property
    def plain(self) -> bool:
        """Whether role and content are all there is to it."""
        return not (self.reasoning or self.tool_calls or self.tool_call_id or self.name)


class Criterion(NamedTuple):
    """What may hold of an answer, and the points that it then gets: below 0 where it should not."""

    text: str
    weight: float = 1.0


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
    rubric: what to judge an answer by, for the judge `rubric`; the weight of one is above 0.
    tools: what may be called, the JSON of a list in OpenAI's form; empty where nothing may.
    calls: what should be called, for the judge `tools`: the JSON of a list of `{"name",
    "arguments"}`, or with `accepted` in their place, which has a list of values for each argument;
    "[]" where nothing should be, None where nobody says.
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
    tools: str = ""
    rubric: tuple[Criterion, ...] = ()
    calls: str | None = None


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to sample. temperature 0 is greedy; max_tokens counts new tokens; seed is the run's.

    schema: a JSON schema that the answer must match, for a server that can hold a model to one
    (`response_format`); other backends pass it over.
    stop: words that end the answer, and are not in it.
    """

    temperature: float = 0.8
    top_p: float = 1.0
    max_tokens: int = 512
    seed: int = 0
    schema: Mapping[str, Any] | None = field(default=None, hash=False)
    stop: tuple[str, ...] = ()


PLAYING, MAX_STEPS = "playing", "max_steps"
"""How a response ends, as a run has it, that is its steps until now and goes on when it is resumed;
and one whose model would have called tools in a further turn."""


@dataclass(frozen=True, slots=True)
class Response:
    """One answer of a chat backend.

    text: the answer alone; reasoning: the thought before it. tool_calls: what it asks tools to do.
    finish_reason: `stop`, `length`, `tool_calls`, where tools were played `PLAYING` or `MAX_STEPS`,
    or a word of the server's that nobody knows; what says that the call failed is no Response
    (`backends.answer`). Token counts are the server's own, 0 where it gave none. cached: whether
    nobody was asked for it now (`backends.cached`).
    steps: where tools were played, the turns between the prompt and this answer: the assistant's
    that call and the tools' that answer them. Token counts are then sums over all requests.
    """

    text: str
    model: str
    finish_reason: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    cached: bool = field(default=False, compare=False)
    steps: tuple[Message, ...] = ()

    @property
    def paid(self) -> tuple[int, int]:
        """Tokens of the prompt and of the completion that it cost: none out of a cache."""
        return (0, 0) if self.cached else (self.prompt_tokens, self.completion_tokens)

    @property
    def says(self) -> bool:
        """Whether there is anything in it beside a thought."""
        return bool(self.tool_calls or self.text.strip())

    @property
    def message(self) -> Message:
        """The answer as the assistant's turn."""
        return Message("assistant", self.text, self.reasoning, self.tool_calls)

    @property
    def turns(self) -> tuple[Message, ...]:
        """What came after the prompt: the steps, and the answer."""
        return (*self.steps, self.message)


@dataclass(frozen=True, slots=True)
class Score:
    """One reply of a reward backend: five attributes in order, or one scalar, as it was given.

    tokens: that it cost, none out of a cache.
    """

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

    A failed generation has no response, or where tools were played its steps until then; a failed
    judgement has a response and a failure.
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

    text: what the response reads after filters that change it; None as it was. barred: whether it
    must be in no data to train on, not as a worse answer either; see `Filter.bars`.
    """

    keep: bool
    reason: str = ""
    evidence: str = ""
    text: str | None = None
    barred: bool = False


class Drop(NamedTuple):
    """Why a filter drops a response: a few stable words, and what it saw."""

    reason: str
    evidence: str


KEPT = Decision(True)


def prompt_id(messages: tuple[Message, ...], tools: str = "") -> str:
    """16 hex digits of BLAKE2b over what was said: equal messages, equal id, everywhere."""
    digest = blake2b(digest_size=8)
    for message in messages:
        # The lengths keep ("ab", "c") apart from ("a", "bc").
        content = message.content.encode("utf-8", "surrogatepass")
        digest.update(f"{message.role}:{len(content)}:".encode())
        digest.update(content)
        if not message.plain:
            calls = [(call.name, call.arguments, call.id) for call in message.tool_calls]
            beside = (message.reasoning, calls, message.tool_call_id, message.name)
            digest.update(repr(beside).encode("utf-8", "surrogatepass"))
    if tools:
        digest.update(f"tools:{tools}".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def facts_id(prompt: Prompt, names: Iterable[str]) -> str:
    """The same over a prompt's facts of these names, such as its answer; empty where it has none.
    With others, the same response may be right or wrong."""
    said = [(name, value) for name in names if (value := getattr(prompt, name))]
    data = repr(said).encode("utf-8", "surrogatepass")
    return blake2b(data, digest_size=8).hexdigest() if said else ""


def response_id(prompt: str, index: int) -> str:
    """The id of the `index`-th response to a prompt: the prompt's id, a dot, the index."""
    return f"{prompt}.{index}"


def sample_seed(seed: int, prompt: str, index: int) -> int:
    """The seed of one sample, 31 bits, the same whichever executor runs it in whatever order."""
    key = f"{seed}:{prompt}:{index}".encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(key, digest_size=4).digest(), "big") >> 1


def as_dicts(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """Messages as the dictionaries that chat templates and trainers read: `role` and `content`,
    and where there are any `reasoning_content`, `tool_calls` (arguments as an object),
    `tool_call_id` and `name`."""
    return [{"role": m.role, "content": m.content} if m.plain else _as_dict(m) for m in messages]


def _as_dict(message: Message) -> dict[str, Any]:
    extras = {
        "reasoning_content": message.reasoning,
        "tool_calls": [
            {
                **({"id": call.id} if call.id else {}),
                "type": "function",
                "function": {"name": call.name, "arguments": arguments_of(call)},
            }
            for call in message.tool_calls
        ],
        "tool_call_id": message.tool_call_id,
        "name": message.name,
    }
    said = {"role": message.role, "content": message.content}
    return {**said, **{name: value for name, value in extras.items() if value}}


def arguments_of(call: ToolCall) -> Any:
    """A call's arguments as JSON has them; a text that is no JSON stays as it is."""
    try:
        return read_json(call.arguments)
    except orjson.JSONDecodeError:
        return call.arguments
