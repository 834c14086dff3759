"""Filters keep a response or drop it with a reason.

One file a filter; see `base` to add one. `_decide` runs them.
"""

from gristmill.filters._decide import changed, decide, survey

__all__ = ["changed", "decide", "survey"]
