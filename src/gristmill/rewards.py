"""Judges as the rewards of reinforcement learning: TRL's `reward_funcs`, verl's `compute_score`.

    from gristmill import rewards

    trainer = GRPOTrainer(model=..., reward_funcs=rewards.functions({"math": {}}), ...)

A judge that fails says nothing of a sample: it has no reward, which is not a reward of zero.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import Any

from gristmill.backends.base import Backend
from gristmill.errors import BackendError, ConfigError, InputError
from gristmill.intake.cells import Unusable
from gristmill.intake.facts import prompt_of
from gristmill.intake.message import answer_of
from gristmill.intake.turns import messages_of
from gristmill.judges.base import GroundTruth, Judge
from gristmill.page.text import one_line
from gristmill.parts import open_part
from gristmill.records import ATTRIBUTES, Message, Prompt, Response, Verdict

_LOG = logging.getLogger(__name__)

RewardFunction = Callable[..., list[float | None]]
"""As TRL calls it: `prompts`, `completions` and the data set's columns by name; a reward each."""

Spec = str | Mapping[str, Any]
"""A judge as a run's config names it: `math`, or `{reward: {model: tiny:reward}}`."""


def functions(*judges: Spec, attributes: bool = False) -> list[RewardFunction]:
    """Reward functions for TRL's trainers (GRPO, RLOO), one for each judge.

    attributes: of each judge that gives the five attributes, five functions instead of its reward,
    so that the trainer weighs them (`reward_weights`). Columns of the data set (`answer`, `tests`,
    `constraints`, ...) are read as a run reads a row's. Judges see a completion without its
    thought; one that was cut off within its thought is an empty answer.

    Where a judge fails, all these functions give None for that sample: TRL (1.16) adds what others
    say of it as if the missing reward were zero, and leaves a sample out only where all are None.
    So give a trainer the functions of one call. A judge that has no say (`math` of a prompt without
    an answer) gives None alone.

    Raises ConfigError for what is no judge, for one that compares responses with each other, and
    for `attributes` where no judge gives them.
    """
    panel = _Panel(judges)
    if attributes and not any(judge.gives_attributes for judge in panel.judges):
        raise ConfigError(f"judges: {', '.join(panel.names)}: none gives attributes")
    found: list[RewardFunction] = []
    for number, judge in enumerate(panel.judges):
        name = panel.names[number]
        if attributes and judge.gives_attributes:
            for place, attribute in enumerate(ATTRIBUTES):
                found.append(panel.function(number, f"{name}_{attribute}", _attribute(place)))
        else:
            found.append(panel.function(number, name, lambda verdict: verdict.reward))
    return found


def scorer(*judges: Spec) -> Callable[..., dict[str, float]]:
    """verl's `compute_score`: `custom_reward_function.path` names a file of yours that has
    `compute_score = gristmill.rewards.scorer({"math": {}})`.

    It is given `solution_str`, `ground_truth` and `extra_info`, and returns `score`, the mean over
    the judges that have a say, and each judge's own by name, NaN where it has none. What stands in
    `extra_info` is read as a row's columns (`prompt` or `question`, `answer`, `tests`,
    `constraints`), of any other framework's task too. It may be called from many threads, and sent
    to other processes (verl's reward manager `remote`), each of which opens the judges itself.

    Raises BackendError where a judge fails: verl has no sample without a reward, and stops.
    Raises InputError where no judge has a say, or a model judges and the question is not there.
    """
    return partial(_score, _Panel(judges))


def _score(
    panel: _Panel,
    data_source: str = "",
    solution_str: str = "",
    ground_truth: Any = None,
    extra_info: Mapping[str, Any] | None = None,
    **_: Any,
) -> dict[str, float]:
    row = {name: _listed(value) for name, value in (extra_info or {}).items()}
    if (truth := _listed(ground_truth)) not in (None, ""):
        row["answer"] = truth
    asked = row.pop("prompt", None) or row.pop("question", None)
    if not asked and not all(isinstance(judge, GroundTruth) for judge in panel.judges):
        raise InputError("extra_info: has neither 'prompt' nor 'question', and a model judges")
    (verdicts,) = panel.grade([_sample(asked or "?", solution_str, row, "extra_info")])
    said = {}
    for name, verdict in zip(panel.names, verdicts, strict=True):
        if isinstance(verdict, BackendError):
            raise verdict
        # verl asks every sample of a batch for the keys of the first.
        said[name] = math.nan if verdict.reward is None else verdict.reward
    known = [reward for reward in said.values() if not math.isnan(reward)]
    if not known:
        raise InputError(
            "no judge has a say: give the prompts an answer, tests, constraints, calls or a rubric"
        )
    return {"score": sum(known) / len(known), **said}


def _listed(value: Any) -> Any:
    """NumPy's arrays, which pandas makes of a table's lists, as lists."""
    return value.tolist() if hasattr(value, "tolist") else value


class _Panel:
    """Judges that stay open, in a thread with an event loop of its own: trainers call from
    threads and loops of theirs."""

    def __init__(self, specs: Sequence[Spec]) -> None:
        if not specs:
            raise ConfigError("judges: name one, such as {'math': {}}")
        self._specs = specs
        self.judges: list[Judge] = [
            open_part("gristmill.judges", spec, f"judges[{n}]") for n, spec in enumerate(specs)
        ]
        for n, judge in enumerate(self.judges):
            if judge.lacks(1):
                raise ConfigError(
                    f"judges[{n}]: compares the responses to a prompt, and a reward is of one; "
                    "name another, or `how: pointwise` of llm, `how: alone` of genrm"
                )
        kinds = [spec if isinstance(spec, str) else next(iter(spec)) for spec in specs]
        self.names = [
            kind if kinds.count(kind) == 1 else f"{kind}_{n}" for n, kind in enumerate(kinds)
        ]
        self._lock, self._opening = threading.Lock(), threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opened = AsyncExitStack()
        self._backends: list[Backend] = []
        self._last: tuple[Any, list[list[Verdict | BackendError]]] = (None, [])

    def __reduce__(self) -> tuple[Any, ...]:
        return _Panel, (self._specs,)

    def function(
        self, number: int, name: str, read: Callable[[Verdict], float | None]
    ) -> RewardFunction:
        """What one judge says, as TRL asks for it."""

        def reward(
            prompts: Sequence[Any], completions: Sequence[Any], **columns: Any
        ) -> list[float | None]:
            rows = [
                {n: c[i] for n, c in columns.items() if _is_column(c, len(prompts))}
                for i in range(len(prompts))
            ]
            samples = [
                _sample(prompt, completion, row, f"sample {i}")
                for i, (prompt, completion, row) in enumerate(
                    zip(prompts, completions, rows, strict=True)
                )
            ]
            # All functions of a batch are asked one after the other: judges are asked once.
            with self._lock:
                if self._last[0] != samples:
                    self._last = (samples, self.grade(samples))
                    _warn(self._last[1])
                verdicts = self._last[1]
            return [
                None if any(isinstance(v, BackendError) for v in of) else read(of[number])  # type: ignore[arg-type]
                for of in verdicts
            ]

        reward.__name__ = name
        return reward

    def grade(
        self, samples: Sequence[tuple[Prompt, Response]]
    ) -> list[list[Verdict | BackendError]]:
        """What each judge says of each sample, or how it failed. Raises BackendFatal."""
        with self._opening:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                thread = threading.Thread(target=_serve, args=(self._loop,), daemon=True)
                thread.start()
                weakref.finalize(self, _close, self._loop, self._opened, thread)
            asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()
        return asyncio.run_coroutine_threadsafe(self._graded(samples), self._loop).result()

    async def _open(self) -> None:
        for judge in self.judges[len(self._backends) :]:
            self._backends.append(await self._opened.enter_async_context(judge.open()))

    async def _graded(
        self, samples: Sequence[tuple[Prompt, Response]]
    ) -> list[list[Verdict | BackendError]]:
        async def one(judge: Judge, backend: Backend, sample: Any) -> Verdict | BackendError:
            try:
                prompt, said = sample
                return await judge.judge(backend, prompt, judge.shown(said) or said)
            except BackendError as error:
                return error

        said = await asyncio.gather(
            *(
                one(judge, backend, sample)
                for sample in samples
                for judge, backend in zip(self.judges, self._backends, strict=True)
            )
        )
        width = len(self.judges)
        return [list(said[at : at + width]) for at in range(0, len(said), width)]


def _warn(verdicts: Sequence[Sequence[Verdict | BackendError]]) -> None:
    """Say how many samples of a batch have no reward because a judge failed, and the first why."""
    failed = [next((v for v in of if isinstance(v, BackendError)), None) for of in verdicts]
    errors = [error for error in failed if error is not None]
    if errors:
        said = f"{errors[0].kind}: {one_line(str(errors[0]))}"
        _LOG.warning("%d of %d samples have no reward: %s", len(errors), len(verdicts), said)


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.close()


def _close(
    loop: asyncio.AbstractEventLoop, opened: AsyncExitStack, thread: threading.Thread
) -> None:
    """When nobody has the functions any more, or the process ends."""
    with suppress(Exception):
        asyncio.run_coroutine_threadsafe(opened.aclose(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)


def _attribute(place: int) -> Callable[[Verdict], float | None]:
    return lambda verdict: verdict.attributes and verdict.attributes[place]


def _is_column(values: Any, rows: int) -> bool:
    """Whether this is a column of the data set, and not something else that a trainer hands on."""
    return isinstance(values, list) and len(values) == rows


def _sample(asked: Any, said: Any, row: Mapping[str, Any], where: str) -> tuple[Prompt, Response]:
    """A prompt with its facts and the answer to it, from a trainer's texts or messages.

    Raises InputError naming the sample and the column."""
    try:
        prompt = (
            (Message("user", asked),) if isinstance(asked, str) else messages_of(asked, "prompt")
        )
        facts = {name: value for name, value in row.items() if value is not None}
        made, _ = prompt_of(facts, prompt, where)
    except Unusable as error:
        raise InputError(f"{where}: {error}") from None
    return made, _reply(said)


def _reply(said: Any) -> Response:
    """A completion without its thought; of one with tools, the turns before the last are its steps.
    One that cannot be read is an empty answer: the policy wrote it, and no judge has failed."""
    turn = {"content": said} if isinstance(said, str) else {**said[-1]}
    try:
        steps = () if isinstance(said, str) or len(said) == 1 else messages_of(said[:-1], "steps")
        found = answer_of({**turn, "content": turn.get("content") or ""}, "completion")
    except Unusable:
        return Response("", "policy")
    text = found.text if found.ended else ""
    beside = {"reasoning": found.reasoning, "tool_calls": found.calls, "steps": steps}
    return Response(text, "policy", **beside)
