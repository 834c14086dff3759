"""The two small interfaces that every model is called through.

One call is one response, or one score. A backend that works in batches (`local`) gathers the
calls that are waiting; one that talks to a server (`endpoint`) sends each and limits how many
are in flight. Both raise `BackendError` for a call that failed after its retries, and
`BackendFatal` when no call can succeed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gristmill.records import Message, Prompt, Response, Sampling, Score


@dataclass
class Traffic:
    """What a backend did so far, for the live display and `metrics.json`.

    requests: sent, retries among them. retries: sent again after a failure.
    failures: attempts that failed, by kind, whether or not a retry then worked. servers: where a
    model is on several, how many `requests`, `failures` and times `out` each had, by address.
    used: of these servers those that are there now, and whether they get requests.
    """

    requests: int = 0
    retries: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    servers: dict[str, Counter[str]] = field(default_factory=dict)
    used: dict[str, bool] = field(default_factory=dict)

    @classmethod
    def total(cls, several: Iterable[Traffic]) -> Traffic:
        """Of several backends as one; a server that one of them does not use is not used."""
        found = cls()
        for traffic in several:
            found.requests += traffic.requests
            found.retries += traffic.retries
            found.failures.update(traffic.failures)
            for server, counts in traffic.servers.items():
                found.servers.setdefault(server, Counter()).update(counts)
            for server, used in traffic.used.items():
                found.used[server] = found.used.get(server, True) and used
        return found


class Meter:
    """Asked before every request; raises when a limit of the run's budget is reached."""

    def take_request(self) -> None:
        """Count one request about to be sent. Raises `BackendError("budget", ...)`."""

    def add_cost(self, usd: float) -> None:
        """Count dollars that a call took beyond the price that its model's calls have."""


class Backend:
    """What chat and reward backends share.

    Used as `async with backend:`; opening loads weights or opens the connection pool, closing
    frees them. `model` is the model string as the user wrote it (never holds a key), `licence`
    an SPDX name where it is known; `also` other strings of the same model, see `also_known`.
    `folder` is where it may keep what must outlive the process; whoever opens it says so, and None
    is nowhere.
    """

    model: str
    also: tuple[str, ...] = ()
    licence: str | None = None
    folder: Path | None = None
    traffic: Traffic
    meter: Meter

    def __init__(self, model: str) -> None:
        self.model = model
        self.traffic = Traffic()
        self.meter = Meter()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        return None


class ChatBackend(Backend):
    """A model that answers. Override `sample`, and `stream` where the answer comes in pieces.

    takes_schema: whether it may be able to hold its answer to `Sampling.schema`.
    """

    takes_schema = False

    def asked(self, prompt: Prompt) -> str:
        """What the model gets of a prompt, for people to look at before it costs; needs no opening.
        Here: each turn behind its role, and the tools, as a server puts them into its template."""
        turns = [f"[{m.role}]\n{m.content}{_calls(m)}" for m in prompt.messages]
        return "\n\n".join([*turns, *([f"[tools]\n{prompt.tools}"] if prompt.tools else [])])

    async def sample(self, prompt: Prompt, index: int, sampling: Sampling) -> Response:
        """The `index`-th response to `prompt`; its seed is
        `sample_seed(sampling.seed, prompt.id, index)`, so that runs can be repeated."""
        raise NotImplementedError

    async def stream(
        self, prompt: Prompt, index: int, sampling: Sampling
    ) -> AsyncGenerator[str | Response]:
        """As `sample`, for someone who reads along: the text in pieces, then the Response itself.

        The pieces joined are the Response's text; but for a thought whose opening tag only the chat
        template wrote, and a call written into the text: these cannot be told from an answer before
        they end, are given as they come, and are not in the Response's text.
        What is raised after the first piece is final: an answer that somebody has read the
        beginning of is not begun anew. Here: one piece.
        """
        response = await self.sample(prompt, index, sampling)
        yield response.text
        yield response


class RewardBackend(Backend):
    """A model that grades. Override `score`."""

    async def score(self, messages: Sequence[Message]) -> Score:
        """Grade the last assistant turn of a conversation."""
        raise NotImplementedError


def _calls(message: Message) -> str:
    return "".join(f"\n[calls {c.name}] {c.arguments}" for c in message.tool_calls)
