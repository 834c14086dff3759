"""The filter `tool_calls` on answers of models that were given real results of tools.

Reads the dialogues that come with tau-bench (MIT), 200 of GPT-4o with an airline's tools, and the
88 it shows models as examples; and the rollouts that come with NeMo Gym (Apache-2.0), five of each
of its environments. Each answer behind a tool's result goes through the filter, which should find
nothing to say of it, and once more with one of its figures changed. With `--calls` the answers of
the package bfcl-eval are called, whose schemas should allow them.

    git clone https://github.com/sierra-research/tau-bench /tmp/tau-bench
    git clone https://github.com/NVIDIA-NeMo/Gym /tmp/gym
    python benchmarks/figures.py --tau /tmp/tau-bench --gym /tmp/gym --calls /tmp/bfcl
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np

from calls import ASKED, lines, prompts, right  # type: ignore[import-not-found]
from gristmill.filters._figures import Figure, figures, lone
from gristmill.filters.tool_calls import ToolCalls
from gristmill.intake.files import read_rows
from gristmill.intake.message import read_messages
from gristmill.records import Drop, Message, Prompt, Response, Sample, ToolCall

SHORT = re.compile(r"(?m)^(user|assistant|tool): ")
"""How the examples begin a turn; calls they leave out."""


def dialogues(tau: Path, gym: Path) -> Iterator[tuple[str, list[Message]]]:
    """The turns of each, and which data they are of."""
    for row in json.loads((tau / "historical_trajectories/gpt-4o-airline.json").read_text()):
        yield "GPT-4o, airline", [m for turn in row["traj"] for m in read_messages(turn, "traj")]
    for name in ("Retail", "Airline"):
        for row in lines(tau / f"few_shot_data/Mock{name}DomainEnv-few_shot.jsonl"):
            parts = SHORT.split(row["messages_display"])[1:]
            said = zip(parts[::2], map(str.strip, parts[1::2]), strict=True)
            yield f"examples, {name.lower()}", [Message(*s) for s in said if s[1] != "None"]
    for file in sorted(gym.rglob("example_rollouts.jsonl")):
        for row in (row for _, row, _ in read_rows(file) if isinstance(row, dict)):
            asked = (row.get("responses_create_params") or {}).get("input") or []
            asked = [{"role": "user", "content": asked}] if isinstance(asked, str) else asked
            made = (row.get("response") or {}).get("output") or []
            turns = [turn for item in (*asked, *made) for turn in items(item)]
            # The last message alone is the answer.
            last = max((n for n, t in enumerate(turns) if t.role == "assistant"), default=-1)
            yield "NeMo Gym", [t for n, t in enumerate(turns) if n == last or not said_only(t)]


def said_only(turn: Message) -> bool:
    return turn.role == "assistant" and not turn.tool_calls


def items(item: Any) -> Iterator[Message]:
    """A turn of OpenAI's Responses API."""
    if not isinstance(item, dict):
        return
    if item.get("type") == "function_call":
        call = ToolCall(item["name"], item["arguments"], item.get("call_id") or "")
        yield Message("assistant", "", tool_calls=(call,))
    elif item.get("type") == "function_call_output":
        yield Message("tool", str(item["output"]))
    elif item.get("role") in ("user", "system", "assistant"):
        parts = item.get("content") or ""
        text = parts if isinstance(parts, str) else "".join(p.get("text", "") for p in parts)
        yield Message(item["role"], text)


def answers(turns: list[Message]) -> Iterator[tuple[Prompt, tuple[Message, ...], str]]:
    """Each answer behind a tool's result, with the steps before it."""
    asked = 0
    for place, turn in enumerate(turns):
        asked = place + 1 if turn.role == "user" else asked
        steps = tuple(turns[asked:place])
        called = any(step.role == "tool" for step in steps) and not turn.tool_calls
        if turn.role == "assistant" and turn.content and called:
            offered = {c.name for t in turns for c in t.tool_calls}
            tools = [{"type": "function", "function": {"name": name}} for name in offered]
            yield Prompt("p", tuple(turns[:asked]), tools=json.dumps(tools)), steps, turn.content


def changed(answer: str, figure: Figure, rng: random.Random) -> str:
    value = figure.value * rng.uniform(0.5, 1.5) + 7.3
    new = f"{value:.2f}" if figure.unit < 1 else f"{value:.0f}"
    return re.sub(rf"(?<![\d.,]){re.escape(figure.said)}(?!\d)", new, answer)


def look(tau: Path, gym: Path, which: Literal["all", "contradicts"]) -> None:
    the_filter, rng, counts = (
        ToolCalls(arguments=False, figures=which),
        random.Random(0),
        Counter[tuple[str, str]](),
    )
    for data, turns in dialogues(tau, gym):
        for prompt, steps, answer in answers(turns):

            def said(text: str, prompt: Prompt = prompt, steps: tuple[Message, ...] = steps) -> str:
                found = the_filter.reason(prompt, Sample(0, Response(text, "m", steps=steps)))
                return f"{found.reason}: {found.evidence}" if isinstance(found, Drop) else ""

            counts[data, "answers"] += 1
            if why := said(answer):
                counts[data, "dropped"] += 1
                print(f"{data}: {why}\n    {answer[:400]!r}")
            alone = lone(next(s.content for s in reversed(steps) if s.role == "tool"))
            found = figures(answer, None)
            given = [f for f in found if alone is not None and f.among(np.array([alone]))]
            for kind, pool in (("telling", [f for f in found if f.telling]), ("alone", given)):
                if pool:
                    counts[data, f"changed, {kind}"] += 1
                    wrong = changed(answer, rng.choice(pool), rng)
                    counts[data, f"changed, {kind}, dropped"] += bool(said(wrong))
    for (data, what), count in sorted(counts.items()):
        print(f"{which:12} {data:18} {what:26} {count:5}")


def call(home: Path) -> None:
    the_filter, rng, counts = ToolCalls(), random.Random(0), Counter[str]()
    data = home / "bfcl_eval" / "data"
    for part in ASKED:
        rows = lines(data / f"BFCL_v4_{part}.json")
        answered = lines(data / f"possible_answer/BFCL_v4_{part}.json")
        truths = {row["id"]: row["ground_truth"] for row in answered}
        for prompt in prompts(rows, truths, home / "rows.jsonl"):
            if prompt.id in truths:
                made = right(truths[prompt.id], rng)
                calls = tuple(ToolCall(name, json.dumps(given)) for name, given in made)
                found = the_filter.reason(prompt, Sample(0, Response("", "m", tool_calls=calls)))
                counts["answers"] += 1
                if isinstance(found, Drop):
                    counts[found.reason] += 1
                    print(f"{prompt.id}: {found.evidence}")
    print(dict(counts))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tau", type=Path, required=True, help="tau-bench, cloned")
    parser.add_argument("--gym", type=Path, required=True, help="NeMo Gym, cloned")
    parser.add_argument("--calls", type=Path, help="of benchmarks/calls.py")
    args = parser.parse_args()
    for which in ("all", "contradicts"):
        look(args.tau, args.gym, which)
    if args.calls:
        call(args.calls)


if __name__ == "__main__":
    main()
