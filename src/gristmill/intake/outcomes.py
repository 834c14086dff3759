"""What a vote on two answers says, in the forms that arenas publish it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gristmill.intake.cells import Unusable, switch_of

OUTCOMES = ("model_a", "model_b", "tie", "both_bad")
"""What a vote may say. Both bad is a tie to every rating, and told apart everywhere else."""
ONE_HOT = {"winner_model_a": "model_a", "winner_model_b": "model_b", "winner_tie": "tie"}
"""The 55k set's three columns, of which one is 1."""
WINNERS = ("winner", *ONE_HOT)
TEXTS = ("conversation_a", "conversation_b")
RESPONSES = ("response_a", "response_b")

_SPELLINGS = {
    **{name: name for name in OUTCOMES},
    "tie (bothbad)": "both_bad",
    "bothbad": "both_bad",
    "tie (both bad)": "both_bad",
}
"""What `winner` may say. People write both_bad in more ways, LMSYS in two."""


def winner_in(row: Mapping[str, Any]) -> str:
    """The outcome, as one of `OUTCOMES`. Raises Unusable: what is unknown is never a tie."""
    if "winner" not in row and ONE_HOT.keys() <= row.keys():
        said = [name for name in ONE_HOT if switch_of(row[name], name)]
        if len(said) != 1:
            detail = f"{', '.join(ONE_HOT)}: {len(said)} of them are 1, not one"
            raise Unusable("unknown_winner", detail)
        return ONE_HOT[said[0]]
    said = row.get("winner")
    outcome = _SPELLINGS.get(said) if isinstance(said, str) else None
    if outcome is None:
        known = ", ".join(OUTCOMES)
        raise Unusable("unknown_winner", f"'winner' is {said!r:.60}, not one of {known}")
    return outcome
