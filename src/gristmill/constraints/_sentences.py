"""Where sentences end, in every language that constraints are worded in, and in others.

The language of an answer is not known, so what is an abbreviation in any of them is none the less
taken for one in all.
"""

from __future__ import annotations

import re

from gristmill.constraints._text import HEADING, ITEM, TITLE, prose_lines

_CLOSERS = "\"'”’»)\\]」』）】*_"
_OPENERS = "\"'“”„‘«»(\\[¿¡*_—–「『（【-"
_END = re.compile(rf"[.!?…。！？｡।؟۔]+[{_CLOSERS}]*")
_WIDE = re.compile(r"[。！？｡]")
_CJK = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]")
_GOES_ON = re.compile(r"[とっ、，,]")
_NEXT = re.compile(rf"[\s{_OPENERS}]*(\S*)")
_TOKEN = re.compile(r"\S+\Z")
_TABLE_ROW = re.compile(r"\s*\|")
_INITIAL = re.compile(r"[^\W\d_]")
_INITIALS = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]")
_HALF = re.compile(r"[^\W\d_]\.")

_TITLES = """
dr mr mrs ms messrs prof rev hon sgt capt st vs cf e.g i.e viz approx dept
z.b d.h u.a o.ä s.o z.t i.d.r m.e bzw ca evtl ggf hr hrn fr frl dipl ing inkl exkl zzgl vgl
sr sra srta dña dra ud uds p.ej ej pág págs av avda aprox exmo exma prof.ª
mme mlle p.ex c.-à-d av.j.-c
sig sigg dott prof.ssa avv pag
dhr mevr mw drs bijv o.a d.w.z m.a.w t.a.v
np tzn tzw m.in ul płk inż mgr św ks
"""
_CLOSING = "etc usw u.s.w enz itd itp ecc al inc ltd co corp jr bv nv gmbh s.a"
_COUNTING = "al no nr nos núm num n fig abb art vol p pp str s tel kap sec eq"
_NOUNS = """
januar jänner februar märz april mai juni juli august september oktober november dezember
jahrhundert jahrhunderts platz weltkrieg weltkriegs klasse kapitel stock tag woche monat jahr
geburtstag auflage
"""
_STARTERS = "the he she it they we i this that these those but and in on at as a an if when so"
_NEVER = frozenset(_TITLES.split())
"""Before these a sentence goes on, whatever follows."""
_MAY_END = frozenset(_CLOSING.split())
"""A sentence may end with these: it does where the next word is no small letter."""
_BEFORE_NUMBER = frozenset(_COUNTING.split())
"""These go on where a number follows."""
_AFTER_ORDINAL = frozenset(_NOUNS.split())
"""After a number with a point these go on, in German, where every noun has a capital."""

_AFTER_INITIALS = frozenset(_STARTERS.split())
"""Where one of these follows "the U.S.", a sentence has ended; else it may be "J. K. Rowling"."""


def sentences_of(text: str) -> list[str]:
    """The sentences: each ends with . ! ? … 。 or their like, or with its paragraph or list item.

    Headings, titles in double angle brackets, rows of tables and code are none.
    """
    # Without capitals, small letters say nothing about where a sentence begins.
    cased = any(map(str.isupper, text))
    found = []
    for unit in _units(text):
        found += [s for s in _split(unit, cased) if any(map(str.isalnum, s))]
    return found


def _units(text: str) -> list[str]:
    """Stretches of prose that no sentence goes beyond."""
    units: list[list[str]] = [[]]
    for line in prose_lines(text):
        if not line.strip() or HEADING.match(line) or _TABLE_ROW.match(line):
            units.append([])
            continue
        if item := ITEM.match(line):
            units.append([])
            line = line[item.end() :]
        units[-1].append(TITLE.sub("", line))
    return [" ".join(unit) for unit in units if unit]


def _split(unit: str, cased: bool) -> list[str]:
    pieces, start = [], 0
    for mark in _END.finditer(unit):
        if _ends(unit, mark, cased):
            pieces.append(unit[start : mark.end()].strip())
            start = mark.end()
    pieces.append(unit[start:].strip())
    return pieces


def _ends(unit: str, mark: re.Match[str], cased: bool) -> bool:
    """Whether a sentence ends with this mark."""
    after = unit[mark.end() : mark.end() + 40]
    if not after.strip():
        return True
    if _WIDE.search(mark[0]):
        # 「はい。」と言った: a quotation within its sentence.
        return mark[0][-1] not in "」』”’" or not _GOES_ON.match(after)
    if not after[0].isspace():
        return bool(_CJK.match(after)) and mark[0] != "."
    following = found[1] if (found := _NEXT.match(after)) else ""
    small = following[:1].islower()
    if small and cased:
        return False
    return mark[0] != "." or not _abbreviates(unit, mark.start(), following, small)


def _abbreviates(unit: str, point: int, following: str, small: bool) -> bool:
    """Whether a point belongs to the word before it and ends no sentence."""
    found = _TOKEN.search(unit[max(0, point - 24) : point])
    token = found[0].lstrip("\"'“„‘«»([¿¡*_-–—/") if found else ""
    word = token.lower()
    if word in _NEVER or (word in _MAY_END and small):
        return True
    if word in _BEFORE_NUMBER and following[:1].isdigit():
        return True
    if word.isdigit() and len(word) <= 2:
        return re.sub(r"\W+\Z", "", following).lower() in _AFTER_ORDINAL
    # Letters without case, as in Hebrew "נ.ב." and Thai "ป.ล.", are initials too.
    if _INITIALS.fullmatch(token) and token == token.upper():
        return re.sub(r"\W+\Z", "", following).lower() not in _AFTER_INITIALS
    if not _INITIAL.fullmatch(token):
        return False
    if token.islower():
        # The first half of "z. B.", or the unit of "5 m."
        return small or bool(_HALF.match(following))
    # An initial; but "I" ends sentences.
    return token != "I"
