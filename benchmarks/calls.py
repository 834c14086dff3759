"""The judge `tools` beside the Berkeley function-calling leaderboard's own checker.

Takes the package bfcl-eval apart (its rows, their answers, and the AST checker, which needs nothing
else), makes calls from the answers, breaks most of them in one of a dozen ways, and compares the
two verdicts. Of the rows where nothing should be called, half get a call. Needs the extra `curate`.

    python benchmarks/calls.py --home /tmp/bfcl
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import types
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gristmill.intake.source import Source
from gristmill.judges.tools import Tools
from gristmill.mill.source import read_prompts
from gristmill.records import Prompt, Response, ToolCall

PACKAGE = "bfcl-eval==2026.3.23"
ASKED = ("simple_python", "multiple", "parallel", "parallel_multiple", "live_simple",
         "live_multiple", "live_parallel", "live_parallel_multiple")  # fmt: skip
IDLE = ("irrelevance", "live_irrelevance")
EACH = 4
"""Responses made for each row."""
WAYS = ("as it is", "as it is", "as it is", "dropped", "made up", "other value", "in a list",
        "other tool", "one more", "one less", "other letters", "as text", "with a point",
        "turned round")  # fmt: skip

Call = tuple[str, dict[str, Any]]


def checker(home: Path) -> Callable[..., dict[str, Any]]:
    """`ast_checker` of the package, unpacked into `home`, without the models that it knows."""
    if not (home / "bfcl_eval").exists():
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", PACKAGE, "-d", str(home)]
        subprocess.run(pip, check=True)
        (wheel,) = home.glob("bfcl_eval-*.whl")
        with zipfile.ZipFile(wheel) as files:
            files.extractall(home)
    sys.path.insert(0, str(home))
    models = types.ModuleType("bfcl_eval.constants.model_config")
    plain = types.SimpleNamespace(underscore_to_dot=False)
    models.MODEL_CONFIG_MAPPING = defaultdict(lambda: plain)  # type: ignore[attr-defined]
    sys.modules[models.__name__] = models
    from bfcl_eval.constants.enums import Language  # type: ignore[import-not-found]
    from bfcl_eval.eval_checker.ast_eval.ast_checker import (  # type: ignore[import-not-found]
        ast_checker,
    )

    return lambda tools, made, truth, part: ast_checker(
        tools, made, truth, Language.PYTHON, part, "none"
    )


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def right(truth: list[dict[str, Any]], rng: random.Random) -> list[Call]:
    """Calls with values that the answer accepts."""

    def one(options: Any) -> Any:
        given = [option for option in options if option != ""]
        return concrete(rng.choice(given)) if given else None

    def concrete(value: Any) -> Any:
        if isinstance(value, list):
            return [concrete(v) for v in value]
        if not isinstance(value, dict):
            return value
        found = {k: one(v) if isinstance(v, list) else v for k, v in value.items()}
        return {k: v for k, v in found.items() if v is not None or not isinstance(value[k], list)}

    calls = []
    for answer in truth:
        ((name, accepted),) = answer.items()
        arguments = {}
        for key, options in accepted.items():
            if options == [""] or ("" in options and rng.random() < 0.4):
                continue
            arguments[key] = one(options)
        calls.append((name, arguments))
    return calls


def broken(calls: list[Call], way: str, rng: random.Random) -> list[Call]:
    """The same, in one way another; now and then there is nothing to break so."""
    if not calls:
        return calls
    place = rng.randrange(len(calls))
    name, arguments = calls[place]
    key = rng.choice(list(arguments)) if arguments else ""
    value = arguments.get(key)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    other = value + 1 if number else f"{value} x" if isinstance(value, str) else {"x": 1}  # type: ignore[operator]
    changed: dict[str, Any] = {
        "other value": other,
        "in a list": [value],
        "other letters": value.upper().replace(" ", "  ") if isinstance(value, str) else value,
        "as text": str(value) if number else value,
        "with a point": float(value) if number else value,  # type: ignore[arg-type]
    }
    if way == "dropped":
        arguments = {k: v for k, v in arguments.items() if k != key}
    elif way == "made up":
        arguments = {**arguments, "madeup": 1}
    elif way in changed and key:
        arguments = {**arguments, key: changed[way]}
    found = [*calls[:place], (f"{name}x" if way == "other tool" else name, arguments)]
    found += calls[place + 1 :]
    if way == "one more":
        return [*found, found[place]]
    if way == "one less":
        return found[:place] + found[place + 1 :]
    return found[::-1] if way == "turned round" else found


def prompts(rows: list[dict[str, Any]], truths: dict[str, Any], file: Path) -> list[Prompt]:
    """The rows as a run reads them."""
    told = [
        {"id": row["id"], "messages": row["question"][0], "functions": row["function"],
         "calls": truths.get(row["id"], [])}
        for row in rows
    ]  # fmt: skip
    file.write_text("\n".join(map(json.dumps, told)) + "\n")
    return [p for p in read_prompts([Source(file=str(file))]) if isinstance(p, Prompt)]


async def compare(home: Path) -> None:
    check, judge, rng = checker(home), Tools(), random.Random(0)
    data = home / "bfcl_eval" / "data"
    backend = judge.open()
    total, apart = Counter[str](), Counter[tuple[str, str]]()
    for part in (*ASKED, *IDLE):
        rows = {row["id"]: row for row in lines(data / f"BFCL_v4_{part}.json")}
        answers = data / "possible_answer" / f"BFCL_v4_{part}.json"
        truths = {r["id"]: r["ground_truth"] for r in lines(answers)} if part in ASKED else {}
        for prompt in prompts(list(rows.values()), truths, home / "rows.jsonl"):
            row = rows.get(prompt.id)
            for _ in range(EACH if row else 0):
                assert row is not None
                if part in IDLE:
                    way = rng.choice(("called", "not called"))
                    tools = row["function"] or [{"name": "f"}]
                    calls: list[Call] = [(tools[0]["name"], {})] if way == "called" else []
                    theirs = not calls
                else:
                    way = rng.choice(WAYS)
                    calls = broken(right(truths[prompt.id], rng), way, rng)
                    made = [{name: arguments} for name, arguments in calls]
                    theirs = check(row["function"], made, truths[prompt.id], part)["valid"]
                said = tuple(ToolCall(name, json.dumps(given)) for name, given in calls)
                verdict = await judge.judge(backend, prompt, Response("", "m", tool_calls=said))
                total[part] += 1
                if (verdict.reward == 1) != theirs:
                    apart[way, "right here" if verdict.reward == 1 else "right there"] += 1
    asked, idle = (sum(total[part] for part in parts) for parts in (ASKED, IDLE))
    share = 1 - sum(apart.values()) / (asked + idle)
    print(f"{asked:,} calls and {idle:,} rows where none is right: {share:.1%} of verdicts alike")
    for (way, which), count in apart.most_common():
        print(f"  {count:4} {way}: {which}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--home", type=Path, required=True, help="for the package")
    home = parser.parse_args().home.absolute()
    home.mkdir(parents=True, exist_ok=True)
    asyncio.run(compare(home))


if __name__ == "__main__":
    main()
