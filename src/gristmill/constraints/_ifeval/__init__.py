"""IFEval, from google-research (Zhou et al. 2023, arXiv:2311.07911): its rows as constraints of
ours, and its own verdicts on them.

Ours are nearer to what its prompts say; where they differ, and why, is the table in
docs/curate.md. Its own are for those who report its numbers.
"""

from gristmill.constraints._ifeval.rows import from_ifeval
from gristmill.constraints._ifeval.verdicts import check_as_ifeval, ready_for_ifeval

__all__ = ["check_as_ifeval", "from_ifeval", "ready_for_ifeval"]
