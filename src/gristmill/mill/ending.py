"""What a run came to: who made its rows, how it ended, and its figures."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import orjson

from gristmill.backends.cached import hits
from gristmill.errors import DataError, StorageError
from gristmill.mill.folder import Folder
from gristmill.mill.outcome import Outcome
from gristmill.mill.rows import Origin
from gristmill.mill.session import Session
from gristmill.mill.synthesis import Writing
from gristmill.mill.write import Counts, as_metrics
from gristmill.page.text import plural
from gristmill.parts import name_of
from gristmill.storage import tables, versions, write_atomically


def origin(session: Session, recipes: list[str | None]) -> Origin:
    """Who made the rows. recipes: licences of the models that wrote prompts."""
    beside = [*(b.licence for b in (*session.playing(), *session.grading())), *recipes]
    listed = session.config.tools()
    played = listed is not None and any(source.simulated_by for source in listed.sources)
    judges = [str(getattr(judge, "model", name_of(judge))) for judge, _ in session.judges]
    return Origin(
        [entry.model for entry in session.config.generate],
        judges,
        # None stays: a row made by a model of unknown licence must not look free.
        [list(dict.fromkeys([chat.licence, *beside])) for chat in session.chats],
        session.config.seed,
        session.config.lineup().owners,
        listed.simulated_by if listed is not None and played else None,
    )


def _status(session: Session, counts: Counts) -> tuple[str, str]:
    stopped, target = session.executor.stopped, session.config.target
    failed = counts.responses("failed")
    if counts.finished and failed == counts.responses("asked"):
        what = "verdict" if counts.responses("sampled") else "response"
        all_ = f"all {plural(failed, what)}" if failed > 1 else f"the only {what}"
        return "failed", f"{all_} failed ({', '.join(counts.reasons)})"
    if stopped == "interrupted":
        return "interrupted", ""
    if stopped.startswith("budget"):
        return "budget", stopped
    if target is None:
        return "complete", ""
    return ("target" if counts.accepted >= target else "out_of_prompts"), ""


def _traffic(session: Session) -> dict[str, Any]:
    now = session.traffic
    return {
        "sent": session.purse.requests,
        "sent_now": now.requests,
        "cached": hits(),
        "retries": now.retries,
        "failures": dict(now.failures),
        **({"servers": now.servers} if now.servers else {}),
    }


def outcome(folder: Folder, session: Session, counts: Counts, written: list[Writing]) -> Outcome:
    """What the run left behind, written to `metrics.json`. Raises DataError where no line of the
    input is a prompt."""
    status, detail = _status(session, counts)
    short = [
        f"{w.name}: {w.delivered:,} of {plural(w.wanted, 'prompt')} ({w.short})"
        for w in written
        if w.short
    ]
    if any(w.short for w in written):
        detail = "; ".join([*([detail] if detail else []), *short])
    if written and not counts.prompts_read:
        budget = any(r.stopped.startswith("budget") for w in written for r in w.reports)
        status = "budget" if budget else "failed"
    spent = session.purse.total()
    metrics = {
        "name": session.config.name,
        "status": status,
        "detail": detail,
        **as_metrics(counts, session.config.target),
        "requests": _traffic(session),
        "tokens": {
            "prompt": spent.prompt_tokens,
            "completion": spent.completion_tokens,
            "judge": spent.judge_tokens,
        },
        "recipes": [w.as_json() for w in written],
        "cost_usd": round(spent.usd, 6) if session.purse.priced else None,
        "seconds": round(time.monotonic() - session.started, 3),
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "truth": None,
        "versions": versions(),
    }
    write_atomically(folder.metrics, orjson.dumps(metrics, option=orjson.OPT_INDENT_2))
    if counts.bad_input and counts.bad_input == counts.prompts_read:
        reasons = ", ".join(f"{n} {reason}" for reason, n in counts.reasons.items())
        rejected = tables.place_of(folder.data / "rejected.parquet")
        raise DataError(
            f"no line of the input is a prompt ({reasons}), the first: {counts.unread}; "
            f"see {rejected}"
        )
    said = ""
    if status == "failed":
        said = counts.said or next((w.said for w in written if w.said), "")
    return Outcome(folder.path, status, detail, metrics, said)


def say_what_was_spent(folder: Folder, session: Session) -> None:
    """Leave word even of a run that fails: requests by outcome, in the checkpoint's folder."""
    text = orjson.dumps(_traffic(session), option=orjson.OPT_INDENT_2)
    with suppress(StorageError):
        write_atomically(folder.checkpoint / "requests.json", text)
        session.journal.add_spent(session.purse.spent())
