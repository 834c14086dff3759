"""RewardBench and any other set of pairs: how often does a judge prefer the better answer?

    source ──rows──> Item: a prompt, and answers of which the first are better than the rest
    judge  ──run───> Outcome: a score for each answer, or what a chat model chose
           ──credit> 1 right, 0 wrong, in between for ties and replies that give no verdict
    board  ────────> accuracies of subsets, weighted into sections, and these into one score

`run` does all of it, with a folder that it resumes from, and ends with the pages.
"""

from gristmill.bench.choose import Request
from gristmill.bench.run import run

__all__ = ["Request", "run"]
