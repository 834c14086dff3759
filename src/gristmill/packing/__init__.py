"""Many texts in one pass: no padding, and what texts share at their beginning computed once.

Importing this loads torch. `pack` lays token sequences out one behind the other; `attend` makes a
transformers model read that layout.
"""

from gristmill.packing.attention import attend, can_attend, run
from gristmill.packing.pack import Pack, Sequence, pack, packed_length

__all__ = ["Pack", "Sequence", "attend", "can_attend", "pack", "packed_length", "run"]
