"""The vote log of FastChat's arena: one JSON object a line, votes among many other events.

    {"tstamp": 1690000000.0, "type": "leftvote", "models": ["", ""], "ip": "...",
     "states": [{"model_name": "...", "messages": [["USER", "..."], ["ASSISTANT", "..."]],
                 "offset": 0, "conv_id": "..."}, {...}]}

Side A is the left one. A battle is anonymous where `models` named none yet when the vote came.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gristmill.intake.cells import Unusable

VOTES = {
    "leftvote": "model_a",
    "rightvote": "model_b",
    "tievote": "tie",
    "bothbad_vote": "both_bad",
}
_SINGLE = ("upvote", "downvote")
"""Votes on one model alone, of FastChat's other tabs: no battles."""
_NAMELESS = re.compile(r"(?:#+|<h3>)?\s*(?:Model [AB])?\s*(?:</h3>)?\s*")
"""What `models` holds of a side whose name is hidden, with the page's markup in older logs."""


def is_event(row: Mapping[str, Any]) -> bool:
    """Whether a row is one of this log's, a vote or not."""
    known = ("models", "model", "states", "state")
    return "type" in row and "winner" not in row and any(name in row for name in known)


def vote_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """The vote as a row of a battles file; `anony` says whether the names were hidden.

    Raises Unusable, with the reason `no_vote` for an event that is none.
    """
    kind = row["type"]
    if not isinstance(kind, str) or kind not in VOTES:
        if isinstance(kind, str) and kind.endswith("vote") and kind not in _SINGLE:
            known = ", ".join(VOTES)
            raise Unusable(
                "unknown_winner", f"'type' is '{kind:.40}', a vote that is none of {known}"
            )
        raise Unusable("no_vote", f"an event of the log that is no vote on a pair: {kind!r:.40}")
    states = row.get("states")
    if not isinstance(states, list) or len(states) != 2:
        raise Unusable("bad_states", "'states' does not have the two conversations of a vote")
    shown = row.get("models") or []
    if not isinstance(shown, list):
        raise Unusable("bad_states", f"'models' is {shown!r:.40}, not a list of names")
    hidden = all(not name or _NAMELESS.fullmatch(str(name)) for name in shown)
    names = [s.get("model_name") if isinstance(s, dict) else None for s in states]
    talks = [_talk(state, side) for side, state in enumerate(states)]
    return {
        "id": states[0].get("conv_id"),
        "model_a": names[0],
        "model_b": names[1],
        "winner": VOTES[kind],
        "anony": hidden,
        "judge": row.get("ip") or row.get("judge"),
        "time": row.get("tstamp"),
        "language": row.get("language"),
        "conversation_a": talks[0],
        "conversation_b": talks[1],
    }


def _talk(state: Any, side: int) -> list[dict[str, str]]:
    """The messages of one side, behind the `offset` ones that its template put in front."""
    place = f"states[{side}]"
    if not isinstance(state, dict):
        raise Unusable("bad_states", f"'{place}' is not an object")
    given = state.get("messages") or []
    start = state.get("offset") or 0
    if not isinstance(given, list) or not isinstance(start, int) or start < 0:
        raise Unusable("bad_states", f"'{place}.messages' is not a list of turns")
    turns = []
    for number, turn in enumerate(given[start:]):
        if not isinstance(turn, list) or len(turn) != 2:
            raise Unusable("bad_states", f"'{place}.messages[{start + number}]' is not [who, text]")
        # An answer that is still to come is null; an image stands as [text, images].
        said = turn[1][0] if isinstance(turn[1], list) and turn[1] else turn[1]
        if isinstance(said, str) and said.strip():
            role = "user" if number % 2 == 0 else "assistant"
            turns.append({"role": role, "content": said})
    return turns
