"""What marks a line as an item: a bullet, a number in any script and dress, a label that counts."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise
from typing import NamedTuple

from gristmill.lists.lines import indent_of, is_rule
from gristmill.lists.words import LABEL, NOUNS

_TIGHT = "•‣⁃∙●○■□▪▫◆◇►▶▸➤☐☑☒・◦"
_SPACED = "-*+–—−·→»➢➔➜⇒✓✔✅★☆✦❖🔹🔸🔷🔶"
_BULLET = re.compile(
    rf"(?P<sign>(?:--|-{{1,2}}>|=>)(?=\s)|[{re.escape(_SPACED)}]\ufe0f?(?=\s|\Z)|[{_TIGHT}]\ufe0f?)\s*"
    r"(?:\[[ xX✓✔]\](?=\s|\Z)\s*)?(?P<text>.*)",
    re.DOTALL,
)
_HYPHEN = re.compile(r"(?P<sign>[-–])(?P<text>[^\W\d].*)", re.DOTALL)

_EMPHASIS = r"\*{1,3}|_{2,3}"
_LEAD = rf"(?P<heading>\#{{1,6}}\s{{1,4}})?(?P<bold>{_EMPHASIS})?"
_AFTER = rf"(?P<shut>{_EMPHASIS})?(?P<gap>\s*)(?P<text>.*)"
_NUMBER = re.compile(
    rf"{_LEAD}(?P<open>[\[(（【\#])?\s?(?P<num>\d{{1,4}}|[IVXLC]{{1,7}}|[ivxlc]{{1,7}}|[A-Za-z]|"
    rf"[一二三四五六七八九十]{{1,3}})(?P<inner>{_EMPHASIS})?"
    rf"(?P<close>\\?[.．。)）\]】、:：]{{1,2}}(?:[-–](?=\s))?|\s?[-–—](?=\s)|(?=\s)){_AFTER}",
    re.DOTALL,
)
_DOTTED = re.compile(r"(?P<head>(?:\d{1,3}\.){1,4})(?P<num>\d{1,3})[.)]?\s+(?P<text>.*)", re.DOTALL)
_SIGN = re.compile(
    rf"{_LEAD}(?P<num>[\u2460-\u249b\u2776-\u2793\u3251-\u325f\u3220-\u3229]|"
    rf"(?:\d\ufe0f?\u20e3){{1,2}}|🔟)(?P<close>[.)、:：]?){_AFTER}",
    re.DOTALL,
)
_LABEL = re.compile(
    rf"{_LEAD}(?P<word>{NOUNS}|q|example|item|idea|beispiel|例)\s?(?:no\.?|nr\.?|\#)?\s?"
    rf"(?P<num>\d{{1,3}})(?P<inner>{_EMPHASIS})?(?P<close>\s?[.:：)、]|\s[-–—](?=\s)|(?=(?:{_EMPHASIS})?\Z))"
    rf"{_AFTER}",
    re.DOTALL | re.IGNORECASE,
)
_WIDE = ("、", "．", "）", "：", "。", "】")
_PAIRS = {"(": ")", "（": "）", "[": "]", "【": "】"}
_CHINESE = {c: n for n, c in enumerate("一二三四五六七八九", 1)}
_ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}


class Mark(NamedTuple):
    """What stands before an item.

    kind: the same for items of one list. values: the numbers that it can mean (`c` is 3 and 100);
    empty for a bullet. sure: whether it is a marker by itself; else it must be counted on.
    """

    kind: str
    values: frozenset[int]
    sure: bool
    indent: int
    text: str

    @property
    def bullet(self) -> bool:
        return not self.values

    def follows(self, before: frozenset[int]) -> bool:
        """Whether it counts on from there."""
        return any(value - 1 in before for value in self.values)


def mark_of(line: str) -> Mark | None:
    """The mark at the beginning of a line, or None."""
    indent = indent_of(line)
    body = line[indent:]
    if not body or is_rule(body):
        return None
    found = _bullet(body, indent) or _number(body, indent) or _sign(body, indent)
    return found or _label(body, indent) or _dotted(body, indent) or _hyphen(body, indent)


def without_counts(texts: list[str]) -> list[str]:
    """The texts, without numbers before them where every text has one and they count on; without
    a label ("Question:") where two or more all begin with the same."""
    if len(texts) < 2:
        return texts
    marks = [mark for mark in map(mark_of, texts) if mark is not None and mark.values]
    if (
        len(marks) == len(texts)
        and max(marks[0].values) < 1000
        and all(b.kind == a.kind and b.follows(a.values) for a, b in pairwise(marks))
    ):
        return [mark.text for mark in marks]
    label = LABEL.match(texts[0])
    # In small letters it is a key of YAML.
    if (
        label is not None
        and not label[0].islower()
        and all(text.startswith(label[0]) for text in texts)
    ):
        return [text[label.end() :].strip() for text in texts]
    return texts


def without_ends(texts: list[str]) -> list[str]:
    """The texts, without the commas or semicolons that stand after each of them but the last."""
    for sign in (",", ";", "，", "；", "\\"):
        if len(texts) > 2 and all(text.endswith(sign) for text in texts[:-1]):
            return [text.removesuffix(sign).rstrip() for text in texts]
    return texts


def _bullet(body: str, indent: int) -> Mark | None:
    found = _BULLET.match(body)
    if found is None:
        return None
    sign = "☐" if found["sign"][0] in "☐☑☒" else found["sign"].rstrip("\ufe0f")
    return Mark(sign, frozenset(), True, indent, found["text"].strip())


def _hyphen(body: str, indent: int) -> Mark | None:
    found = _HYPHEN.match(body)
    if found is None:
        return None
    return Mark(found["sign"] + "x", frozenset(), False, indent, found["text"].strip())


def _number(body: str, indent: int) -> Mark | None:
    found = _NUMBER.match(body)
    if found is None:
        return None
    num, close = found["num"], found["close"]
    opened = found["open"] or ""
    closing = close.lstrip("\\").strip()
    family = _family(num)
    spaced = bool(found["gap"]) or not found["text"]
    if not _is_dressed(family, opened, closing) or (len(num) == 4 and opened):
        return None
    if not spaced and (family in "aA" or (closing[-1:] not in _WIDE and not _is_near(found))):
        return None
    wide = closing[:1] in ("、", "．", "）")
    sure = family == "1" and len(num) < 4 and not opened
    sure = sure and (wide or (spaced and closing[0] in ".)"))
    text = _text(found, found["inner"])
    if opened == "#" and closing in "-–—":
        # `#1 - x` may be a number and a text that begins with a hyphen.
        closing, text = "", f"{closing} {text}".strip()
    kind = f"{'#' if found['heading'] else ''}{opened}{family}{closing}"
    return Mark(kind, _values(num), sure, indent, text)


def _is_dressed(family: str, opened: str, closing: str) -> bool:
    """Whether what stands around a number or letter makes it a mark."""
    if opened in _PAIRS:
        return _PAIRS[opened] in closing
    if opened == "#":
        return family == "1"
    if family in "aA":
        return closing[:1] in (".", ")")
    return closing != "" and closing[0] not in "]】" and (family == "1" or closing[0] not in ":：")


def _is_near(found: re.Match[str]) -> bool:
    """Whether a text may follow its number without a space: neither a decimal nor a time does."""
    return not found["text"][0].isdigit() and found["close"][-1:] not in (":", " ", "")


def _sign(body: str, indent: int) -> Mark | None:
    found = _SIGN.match(body)
    if found is None:
        return None
    num = found["num"]
    if num == "🔟":
        value, kind = 10, "keycap"
    elif "\u20e3" in num:
        value, kind = int("".join(c for c in num if c.isdigit())), "keycap"
    else:
        value, kind = int(unicodedata.numeric(num)), "circled"
    return Mark(kind, frozenset((value,)), True, indent, _text(found))


def _label(body: str, indent: int) -> Mark | None:
    found = _LABEL.match(body)
    if found is None:
        return None
    kind = f"label {found['word'].casefold()}"
    return Mark(kind, frozenset((int(found["num"]),)), False, indent, _text(found, found["inner"]))


def _dotted(body: str, indent: int) -> Mark | None:
    found = _DOTTED.match(body)
    if found is None:
        return None
    values = frozenset((int(found["num"]),))
    return Mark(f"dotted {found['head']}", values, False, indent, found["text"].strip())


def _text(found: re.Match[str], inner: str | None = None) -> str:
    """What follows the mark; emphasis that began before it and goes on is the text's own."""
    text = found["text"].strip()
    bold, shut = found["bold"] or "", found["shut"] or ""
    if not bold:
        return shut + text if shut and not found["gap"] else f"{shut} {text}".strip()
    return f"{shut}{text}" if inner else text if shut else bold + text


def _family(num: str) -> str:
    if num.isdecimal():
        return "1"
    if num[0] in _CHINESE or num[0] == "十":
        return "一"
    return "a" if num.islower() else "A"


def _values(num: str) -> frozenset[int]:
    if num.isdecimal():
        return frozenset((int(num),))
    if num[0] in _CHINESE or num[0] == "十":
        tens, ten, ones = num.rpartition("十")
        return frozenset((10 * (_CHINESE.get(tens, 1) if ten else 0) + _CHINESE.get(ones, 0),))
    low = num.lower()
    values = {ord(low) - ord("a") + 1} if len(low) == 1 else set()
    if all(c in _ROMAN for c in low):
        total = 0
        for here, after in zip(low, [*low[1:], "i"], strict=True):
            total += _ROMAN[here] if _ROMAN[here] >= _ROMAN[after] else -_ROMAN[here]
        values.add(total)
    return frozenset(values)
