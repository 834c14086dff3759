"""The few rows worth showing: found by their numbers first, read as text last."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gristmill.page.text import label
from gristmill.records import ATTRIBUTES
from gristmill.report.folder import Run, Table, numbers, require
from gristmill.report.reasons import MOST
from gristmill.report.turns import Turn, folded, messages, turn, turns

SHOWN = 12
"""Responses shown of each sort."""

SIDES = ("chosen", "rejected")

RESPONSE = ("response", "reasoning", "tool_calls", "steps")
"""The columns of what a model said; only the first is always there."""


@dataclass(frozen=True)
class Shown:
    """A response as the page shows it. `reason` is empty for a kept one."""

    prompt: list[Turn]
    response: Turn
    reward: float | None
    scores: tuple[float | None, ...]
    kept: bool
    reason: str = ""
    id: str = ""
    model: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Pair:
    """A preference pair as the page shows it."""

    label: str
    prompt: list[Turn]
    chosen: list[Turn]
    rejected: list[Turn]
    scores: tuple[float, float]
    models: tuple[str, str] = ("", "")

    @property
    def gap(self) -> float:
        """How much better the chosen one scored."""
        return self.scores[0] - self.scores[1]


def pick_samples(run: Run) -> dict[str, list[Shown]]:
    """The best and the worst responses by reward, of different prompts, and some at random.

    The random ones are the same each time that the report of the same run is built.
    """
    table = run.tables.get("scored")
    if table is None or not table.rows:
        return {}
    require(table, "prompt", "response", "reward", "kept")
    best, worst = _extremes(table)
    at_random = random.Random(0).sample(range(table.rows), min(SHOWN, table.rows))
    wanted = {"best": best, "worst": worst, "random": sorted(at_random)}
    names = ["prompt", *RESPONSE, "reward", "kept", "prompt_id", "response_id", *ATTRIBUTES]
    rows = fetch(table, {i for each in wanted.values() for i in each}, names, ("model",))
    dropped = {rows[i].get("response_id") for i in rows if not rows[i].get("kept")}
    reasons = _reasons_of(run, {str(one) for one in dropped if one})
    return {
        sort: [_shown(rows[i], reasons.get(str(rows[i].get("response_id")), "")) for i in chosen]
        for sort, chosen in wanted.items()
    }


def pick_rejected(run: Run) -> dict[str, Shown]:
    """For every reason the first row that was rejected for it."""
    table = run.tables.get("rejected")
    if table is None or not table.rows:
        return {}
    require(table, "reason")
    first: dict[str, int] = {}
    start = 0
    for batch in table.batches(["reason"], dictionary=["reason"]):
        column = batch.column("reason")
        codes = column.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        seen, where = np.unique(codes, return_index=True)
        for code, place in zip(seen.tolist(), where.tolist(), strict=True):
            if code >= 0 and len(first) < MOST:
                first.setdefault(str(column.dictionary[code].as_py()), start + place)
        start += len(batch)
    names = ["reason", "detail", "prompt", *RESPONSE, "reward", "response_id", *ATTRIBUTES]
    rows = fetch(table, set(first.values()), names, ("model",))
    return {reason: _shown(rows[i], reason) for reason, i in first.items()}


def pick_pairs(run: Run) -> list[Pair]:
    """The pairs with the widest, the middle and the narrowest gap."""
    table = run.tables.get("preference")
    if table is None or not table.rows:
        return []
    require(table, "prompt", "chosen", "rejected", "chosen_score", "rejected_score")
    gaps = np.concatenate(list(_gaps(table)))
    places = np.flatnonzero(np.isfinite(gaps))
    if not places.size:
        return []
    order = places[np.argsort(gaps[places], kind="stable")]
    wanted = {"Widest gap": int(order[-1])}
    if order.size > 2:
        wanted["Median gap"] = int(order[order.size // 2])
    if order.size > 1:
        wanted["Narrowest gap"] = int(order[0])
    names = ["prompt", *(f"{side}{of}" for of in ("", "_score", "_model") for side in SIDES)]
    rows = fetch(table, set(wanted.values()), names)
    return [
        Pair(
            label=label,
            prompt=messages(rows[i]["prompt"]),
            chosen=folded(messages(rows[i]["chosen"])),
            rejected=folded(messages(rows[i]["rejected"])),
            scores=(rows[i]["chosen_score"], rows[i]["rejected_score"]),
            models=(_named(rows[i], "chosen"), _named(rows[i], "rejected")),
        )
        for label, i in wanted.items()
    ]


def _named(row: dict[str, Any], side: str) -> str:
    """Who gave a side of a pair; empty where one model gave all."""
    return label(row.get(f"{side}_model") or "", 60)


def fetch(
    table: Table, wanted: set[int], names: list[str], origin: tuple[str, ...] = ()
) -> dict[int, dict[str, Any]]:
    """Read some rows by their place in the file, whole row groups never at once.

    origin: fields of `provenance` to read too. Columns that the file lacks are left out.
    """
    columns = [name for name in names if name in table.columns]
    if "provenance" in table.columns:
        columns += [f"provenance.{field}" for field in origin]
    groups: list[int] = []
    places: dict[int, int] = {}  # where a row comes among those groups -> its place in the file
    start = skipped = 0
    for group, size in enumerate(table.group_sizes()):
        inside = [i for i in wanted if start <= i < start + size]
        if inside:
            groups.append(group)
            places.update({i - skipped: i for i in inside})
        else:
            skipped += size
        start += size
    batches = table.batches(columns, 4096, groups)
    return {places[i]: row for i, row in _take(batches, sorted(places))}


def _take(batches: Iterator[Any], places: list[int]) -> Iterator[tuple[int, dict[str, Any]]]:
    start = 0
    left = list(places)
    for batch in batches:
        while left and left[0] < start + len(batch):
            place = left.pop(0)
            yield place, batch.slice(place - start, 1).to_pylist()[0]
        if not left:
            return
        start += len(batch)


def _extremes(table: Table) -> tuple[list[int], list[int]]:
    """Places of the greatest and the least rewards, one a prompt, best and worst first."""
    names = ["reward", *(["prompt_id"] if "prompt_id" in table.columns else [])]
    best: list[tuple[float, int, Any]] = []
    worst: list[tuple[float, int, Any]] = []
    start = 0
    for batch in table.batches(names):
        rewards = numbers(batch.column("reward"))
        places = np.flatnonzero(np.isfinite(rewards))
        for pool, sign in ((best, -1.0), (worst, 1.0)):
            # Enough of each batch that a prompt with many responses cannot crowd out the rest.
            keys = sign * rewards[places]
            near = places[np.argsort(keys, kind="stable")[: SHOWN * 16]]
            ids = batch.column(1).take(near).to_pylist() if len(names) > 1 else near + start
            pool += [
                (sign * float(rewards[i]), start + int(i), one)
                for i, one in zip(near, ids, strict=True)
            ]
            pool[:] = _distinct(pool)
        start += len(batch)
    return [i for _, i, _ in best], [i for _, i, _ in worst]


def _distinct(pool: Iterable[tuple[float, int, Any]]) -> list[tuple[float, int, Any]]:
    seen: dict[Any, tuple[float, int, Any]] = {}
    for each in sorted(pool, key=lambda one: one[:2]):
        seen.setdefault(each[2], each)
    return list(seen.values())[:SHOWN]


def _reasons_of(run: Run, ids: set[str]) -> dict[str, str]:
    """Why each of some responses was rejected."""
    table = run.tables.get("rejected")
    if table is None or not ids or not {"reason", "response_id"} <= table.columns:
        return {}
    wanted = pc.SetLookupOptions(pa.array(sorted(ids), pa.string()))
    found: dict[str, str] = {}
    for batch in table.batches(["response_id", "reason"], dictionary=["reason"]):
        known = pc.call_function("is_in", [batch.column("response_id")], wanted)
        hits = batch.filter(known)
        found.update({row["response_id"]: row["reason"] or "" for row in hits.to_pylist()})
    return found


def _gaps(table: Table) -> Iterator[np.ndarray]:
    for batch in table.batches(["chosen_score", "rejected_score"]):
        chosen, other = (
            numbers(batch.column(n)).astype(np.float32) for n in ("chosen_score", "rejected_score")
        )
        yield chosen - other


def _shown(row: dict[str, Any], reason: str) -> Shown:
    reward = row.get("reward")
    kept = bool(row.get("kept"))
    return Shown(
        prompt=turns(row.get("prompt")),
        response=turn("assistant", *map(row.get, RESPONSE)),
        reward=reward if reward is not None and math.isfinite(reward) else None,
        scores=tuple(row.get(name) for name in ATTRIBUTES),
        kept=kept,
        reason="" if kept else label(reason),
        id=label(row.get("response_id") or row.get("prompt_id") or ""),
        model=label((row.get("provenance") or {}).get("model") or ""),
        detail=label(row.get("detail") or "", 400),
    )
