"""What a recipe did: by stage, and why it delivered fewer prompts than were asked for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from gristmill.page.text import plural


@dataclass
class Stage:
    """Counts of one stage.

    calls: answered, from the log or the model. items: that it handed on. unusable: replies in
    which there was nothing. missing: items asked for and not got, after all tries. repeated: that
    were there before. echoed: that only said what was asked. failed: calls without an answer, by
    kind.
    """

    calls: int = 0
    items: int = 0
    unusable: int = 0
    missing: int = 0
    repeated: int = 0
    echoed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    failed: Counter[str] = field(default_factory=Counter)


@dataclass
class Report:
    """Of one recipe. `wanted` prompts were asked for, `delivered` are there.

    turns: how often it began from its first stage. dropped: finished prompts that were not let
    through, by reason. stopped: why there are fewer than wanted; empty if there are not. said: what
    the first call that failed was told; a server may repeat a prompt there.
    """

    recipe: str
    wanted: int = 0
    delivered: int = 0
    turns: int = 0
    stages: dict[str, Stage] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)
    stopped: str = ""
    said: str = ""

    def stage(self, name: str) -> Stage:
        """The counts of one stage, made when first asked for."""
        return self.stages.setdefault(name, Stage())

    @property
    def calls(self) -> int:
        return sum(s.calls for s in self.stages.values())

    def as_json(self) -> dict[str, Any]:
        """For `metrics.json` and the report's file."""
        stages = {n: {**vars(s), "failed": dict(s.failed)} for n, s in self.stages.items()}
        found = {**vars(self), "stages": stages, "dropped": dict(self.dropped)}
        return {name: value for name, value in found.items() if name != "said"}

    def lost(self) -> str:
        """What was lost on the way, in words; empty if nothing was."""
        parts = [f"{n:,} dropped as {reason}" for reason, n in self.dropped.items()]
        for name, stage in self.stages.items():
            counts = [
                (stage.unusable, "unusable reply", "unusable replies"),
                (stage.missing, "item missing", "items missing"),
                (stage.repeated, "repeated item", "repeated items"),
                (stage.echoed, "echo of the request", "echoes of the request"),
                *(
                    (n, f"call failed ({kind})", f"calls failed ({kind})")
                    for kind, n in stage.failed.items()
                ),
            ]
            parts += [f"{name}: {plural(n, one, many)}" for n, one, many in counts if n]
        return "; ".join(parts)
