"""Filters keep a response or drop it with a reason; selection picks from what was kept.

One file a filter; see `base` to add one. `_decide` runs them, `_select` is best-of-n and pairs.
"""

from gristmill.filters._decide import changed, decide, survey
from gristmill.filters._select import Pair, best, pair

__all__ = ["Pair", "best", "changed", "decide", "pair", "survey"]
