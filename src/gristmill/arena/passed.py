"""What of a file had no part in the ratings, counted to be said."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from gristmill.arena.fields import LEFT_OUT
from gristmill.page.text import plural


@dataclass(slots=True)
class Passed:
    """left_out: rows, by the key of `LEFT_OUT`. without_text: votes that count all the same, by
    what is wrong with their texts. unused: rows that have a column that nothing obeys."""

    left_out: Counter[str] = field(default_factory=Counter)
    without_text: Counter[str] = field(default_factory=Counter)
    unused: Counter[str] = field(default_factory=Counter)

    def notes(self, name: str = "") -> list[str]:
        """Sentences about the file of this name, or about several."""
        start = f"{name}: " if name else ""
        said = [
            f"{start}{plural(self.left_out[key], 'row')} left out: {why}."
            for key, why in LEFT_OUT.items()
            if self.left_out[key]
        ]
        if self.without_text:
            reasons = ", ".join(f"{why} {n:,}" for why, n in self.without_text.most_common())
            said.append(
                f"{start}{plural(self.without_text.total(), 'vote')} without texts that can be "
                f"read ({reasons}): counted, but in no category and without a part in style."
            )
        return said
