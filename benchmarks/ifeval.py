"""The judge `format` on a real model's answers to IFEval's prompts, against the published strict
verdict on every instruction.

    GRISTMILL_DATA=../shared/data python benchmarks/ifeval.py

For our own definition and for IFEval's: how many verdicts are equal, and which instructions the
others are of. Where language detection decides, the published verdicts are chance: IFEval gives its
detector no seed. What comes out otherwise under one of some seeds is listed. Needs the extra
`ifeval`. Prompts: google-research; answers and verdicts: shisa-ai/M-IFEval (both Apache-2.0).
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from gristmill.constraints import Constraint, check_as_ifeval, from_ifeval
from gristmill.parts import name_of

DATA = Path(os.environ.get("GRISTMILL_DATA", Path(__file__).parents[2] / "shared" / "data"))
SEEDS = 50
Definition = Literal["own", "ifeval"]


class Published(NamedTuple):
    """A verdict of IFEval's: whether the response follows the instruction."""

    key: int
    instruction: str
    constraint: Constraint
    response: str
    followed: bool


@dataclass(frozen=True, slots=True)
class Agreement:
    """verdicts: how many there are; equal: how many are ours too; different: of each instruction,
    how many are not."""

    verdicts: int
    equal: int
    different: dict[str, int]


def published(data: Path = DATA) -> Iterator[Published]:
    """Every published verdict, with the constraint it is about."""
    asked = {row["prompt"]: row for row in _rows(data / "ifeval" / "en_input_data.jsonl")}
    for row in _rows(data / "ifeval" / "en_responses_270.jsonl"):
        names = row["instruction_id_list"]
        source = asked[row["prompt"]]
        constraints = from_ifeval(names, source["kwargs"])
        verdicts = row["follow_instruction_list"]
        for name, constraint, followed in zip(names, constraints, verdicts, strict=True):
            yield Published(source["key"], name, constraint, row["response"], followed)


def agreement(definition: Definition, data: Path = DATA) -> Agreement:
    """How often the judge says what IFEval's checkers said, by our definition or by theirs."""
    check = check_as_ifeval if definition == "ifeval" else lambda c, text: c.check(text)
    known = list(published(data))
    wrong = Counter(v.instruction for v in known if bool(check(v.constraint, v.response)) != v[-1])
    return Agreement(len(known), len(known) - wrong.total(), dict(sorted(wrong.items())))


def by_chance(data: Path = DATA) -> list[Published]:
    """The verdicts that another draw of langdetect's would have turned."""
    import langdetect

    found = []
    for verdict in published(data):
        wanted: Any = getattr(verdict.constraint, "language", "en")
        if name_of(verdict.constraint) in ("language", "lowercase", "uppercase"):
            said = set()
            for seed in range(SEEDS):
                langdetect.DetectorFactory.seed = seed
                said.add(langdetect.detect(verdict.response) == wanted)
            if len(said) > 1:
                found.append(verdict)
    return found


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def main() -> None:
    if not DATA.is_dir():
        sys.exit(f"no data at {DATA}; set GRISTMILL_DATA")
    for definition in ("own", "ifeval"):
        counts = agreement(definition)
        print(f"definition: {definition}: {counts.equal} of {counts.verdicts} verdicts are equal")
        for name, number in counts.different.items():
            print(f"    {number:3} different  {name}")
    print(f"under one of {SEEDS} seeds of langdetect otherwise:")
    for verdict in by_chance():
        print(f"    prompt {verdict.key}: {verdict.instruction}, published: {verdict.followed}")


if __name__ == "__main__":
    main()
