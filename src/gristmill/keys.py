"""Millions of 64-bit numbers in memory: the keys of a run's prompts, and where their records lie.

A set or dictionary of Python's takes 80 to 110 bytes for each; these take 13 to 27 for a key, and
as much again for what stands beside it. Both are open addressing in arrays, which double when they
are more than 60 % full. Keys are hashes already, so their high bits say where to look first; the
low ones may all be the same, for they say which shard a prompt falls to.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping

_FIRST = 1 << 10
"""Slots at the beginning; always a power of two."""
_FULL = 0.6


def _empty(size: int) -> array[int]:
    return array("Q", (0,)) * size


def _shift(size: int) -> int:
    """What leaves of a key as many high bits as there are slots for."""
    return 65 - size.bit_length()


class Keys:
    """A set of numbers from 0 to 2**64 - 1, which only grows."""

    def __init__(self) -> None:
        self._keys = _empty(_FIRST)
        self._mask, self._shift = _FIRST - 1, _shift(_FIRST)
        self._left = int(_FIRST * _FULL)
        self._zero = False
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, key: int) -> bool:
        if not key:
            return self._zero
        keys, mask = self._keys, self._mask
        slot = key >> self._shift
        while found := keys[slot]:
            if found == key:
                return True
            slot = (slot + 1) & mask
        return False

    def add(self, key: int) -> bool:
        """Whether the number was not there; it is now."""
        if not key:
            new, self._zero = not self._zero, True
            self._count += new
            return new
        keys, mask = self._keys, self._mask
        slot = key >> self._shift
        while found := keys[slot]:
            if found == key:
                return False
            slot = (slot + 1) & mask
        keys[slot] = key
        self._count += 1
        self._left -= 1
        if not self._left:
            self._grow()
        return True

    def _grow(self) -> None:
        size = 2 * len(self._keys)
        keys, mask, shift = _empty(size), size - 1, _shift(size)
        for key in self._keys:
            if key:
                slot = key >> shift
                while keys[slot]:
                    slot = (slot + 1) & mask
                keys[slot] = key
        self._left = int(size * _FULL) - int(len(self._keys) * _FULL)
        self._keys, self._mask, self._shift = keys, mask, shift


class Places(Mapping[int, int]):
    """A mapping from such numbers to numbers from 0 to 2**63 - 1; none is ever taken out."""

    def __init__(self) -> None:
        self._made(_FIRST)
        self._count = 0

    def _made(self, size: int) -> None:
        self._keys, self._mask, self._shift = _empty(size), size - 1, _shift(size)
        # What stands beside a key is kept one higher, so that 0 is an empty slot.
        self._values = _empty(size)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[int]:
        return (k for k, v in zip(self._keys, self._values, strict=True) if v)

    def _slot(self, key: int) -> int:
        """Where the key is, or would be."""
        keys, values, mask = self._keys, self._values, self._mask
        slot = key >> self._shift
        while values[slot] and keys[slot] != key:
            slot = (slot + 1) & mask
        return slot

    def __contains__(self, key: object) -> bool:
        return isinstance(key, int) and self._values[self._slot(key)] > 0

    def __getitem__(self, key: int) -> int:
        if value := self._values[self._slot(key)]:
            return value - 1
        raise KeyError(key)

    def __setitem__(self, key: int, value: int) -> None:
        slot = self._slot(key)
        if not self._values[slot]:
            self._count += 1
            if self._count > len(self._keys) * _FULL:
                self._grow()
                slot = self._slot(key)
            self._keys[slot] = key
        self._values[slot] = value + 1

    def first(self, key: int, value: int) -> int:
        """The value of a key, which is this one where it had none."""
        if found := self._values[self._slot(key)]:
            return found - 1
        self[key] = value
        return value

    def _grow(self) -> None:
        keys, values = self._keys, self._values
        self._made(2 * len(keys))
        for key, value in zip(keys, values, strict=True):
            if value:
                slot = self._slot(key)
                self._keys[slot], self._values[slot] = key, value
