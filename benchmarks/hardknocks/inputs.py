"""What others write: each parser of outside text, fuzzed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from cells import Found, cell

ROOT = Path(__file__).parents[2]


@cell("input", "fuzzing", "hypothesis, 1,000 examples for each parser of outside text (tests/fuzz)")
def fuzzing(folder: Path) -> Found:
    words = ["-m", "pytest", "tests/fuzz", "--hypothesis-profile=many"]
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-600:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed, done.stdout[-300:]
    return Found(
        f"{passed[1]} tests pass: a value or one of the stated errors, nothing else", 0, None
    )
