"""What can be checked in an answer without a model, in the manner of IFEval (Zhou et al. 2023,
arXiv:2311.07911), each constraint one file: its arguments, its checker, and how it is drawn.

What it says in a prompt lies in `wordings/`, one file a language.
"""

from gristmill.constraints._draw import clash, draw_several
from gristmill.constraints._ifeval import check_as_ifeval, from_ifeval, ready_for_ifeval
from gristmill.constraints._keep import Demand, as_json, from_json
from gristmill.constraints._keywords import keywords_of
from gristmill.constraints._turns import check_turns, say_all, say_from_now_on, say_revise
from gristmill.constraints.base import LANGUAGES, Constraint, Outcome

__all__ = [
    "LANGUAGES",
    "Constraint",
    "Demand",
    "Outcome",
    "as_json",
    "check_as_ifeval",
    "check_turns",
    "clash",
    "draw_several",
    "from_ifeval",
    "from_json",
    "keywords_of",
    "ready_for_ifeval",
    "say_all",
    "say_from_now_on",
    "say_revise",
]
