"""Runs programs that nobody has read, under bubblewrap, with limits, and never without either.

What a sandbox keeps out, and what it does not, is told in `bubble.py` and `limits.py`.
"""

from gristmill.sandbox.bubble import check
from gristmill.sandbox.build import Program, build
from gristmill.sandbox.cgroup import guard
from gristmill.sandbox.languages import LANGUAGES, Language, find_language, interpreter
from gristmill.sandbox.limits import Finished, Limits
from gristmill.sandbox.run import run

__all__ = [
    "LANGUAGES",
    "Finished",
    "Language",
    "Limits",
    "Program",
    "build",
    "check",
    "find_language",
    "guard",
    "interpreter",
    "run",
]
