"""Mathematics: problems with numbers, formulas, proofs.

One of these signs in one of the user's turns, fenced blocks left out:

1. A formula in LaTeX, or an equation of variables and numbers ("3x + 5 = 20"); the latter not
   in a turn that holds code.
2. Words of mathematics that have little other use ("eigenvalue", "least common multiple").
3. A question for a quantity ("how many", "find the area") among numbers, in digits or words: two
   at least, and one in every 200 characters, as a word problem has them. Not in a turn that holds
   code or asks for it. The words are English.
"""

from __future__ import annotations

import re

from gristmill.arena.tags.code import bare_code, without_fences
from gristmill.arena.tags.coding import coding
from gristmill.arena.tags.texts import Texts

NUMBERS = 2
"""Numbers that a word problem has at least."""
APART = 200
"""Characters for each number at most; a page with a few dates on it is no problem to solve."""

_LATEX = re.compile(
    r"\\(?:frac|dfrac|tfrac|sqrt|sum|int|prod|lim|infty|cdot|times|leq?|geq?|neq|equiv|pmod|binom"
    r"|mathbb|mathrm|overline|angle|triangle|sin|cos|tan|log|ln|pi|theta|alpha|lambda|sigma)"
    r"(?![a-zA-Z])"
    r"|\\begin\{(?:[bpv]?matrix|cases|align\*?|equation\*?|array)\}"
    r"|\$[^$\n]{0,200}[=^_<>+][^$\n]{0,200}\$|\$-?[\w(),.]{1,12}\$(?!\d)",
)

_EQUATION = re.compile(
    r"(?<![\w'\"$])(?:\d{0,6}[a-zA-Z]|[a-zA-Z]\([a-zA-Z\d, ]{1,10}\)|\d{1,9})"  # 3x, f(x), 17
    r"(?:[\^²³]\d{0,3})? ?(?:[-+*/×·÷−] ?\(?\d{0,6}[a-zA-Z]?\)?(?:[\^²³]\d{0,3})? ?){0,6}"
    r"[=≤≥≡] ?[-−(]?(?:\d{1,9}|\d{0,6}[a-zA-Z](?![a-zA-Z'\"(]))"
)

_TERMS = re.compile(
    r"\b(?:eigen(?:value|vector|space)s?|polynomials?|quadratic|logarithms?|trigonometr(?:y|ic)"
    r"|differential equations?|linear equations?|simultaneous equations?|partial derivative"
    r"|(?:first|second|find the|compute the|take the) derivative|integrals?(?= of| from)"
    r"|least common multiple|greatest common (?:divisor|factor)|square root of \d+|cube root"
    r"|prime factors?(?:ization)?|modulo \d+|divisible by \d+|remainder when|arithmetic sequence"
    r"|geometric (?:sequence|series|progression)|pythagorean|hypotenuse|isosceles|equilateral"
    r"|right triangle|perimeter of|area of (?:a|the) (?:triangle|circle|square|rectangle|trapezoid)"
    r"|binomial (?:coefficient|theorem|distribution)|bayes'? theorem|conditional probability"
    r"|probability (?:that|of (?:getting|drawing|rolling))|permutations?|combinatorics?"
    r"|abelian|homomorphism|isomorphi(?:c|sm)|bijecti(?:on|ve)|injective|surjective"
    r"|topological space|manifolds?|hilbert space|banach|lipschitz|riemann|taylor series"
    r"|fourier (?:series|transform)|laplace transform|prove by induction|mathematical induction"
    r"|number theory|real numbers|positive integers?|natural numbers)\b",
    re.I,
)

_QUANTITY = (
    r"(?:total|sum|average|mean|median|mode|area|perimeter|volume|probability|percent(?:age)?"
    r"|ratio|product|difference|remainder|values?|costs?|number|distance|speed|price|profit"
    r"|amount|weight|length|height|width|age|score|fraction|interest|rate|radius|degrees?"
    r"|angle|measure|salary|bill|change|temperature|time|solutions?|answer|result|income|balance)"
)
_ASKS = re.compile(
    r"\bhow (?:many|much|long|far|old|fast|tall|often|big|high|deep|heavy)\b"
    r"|\bwhat(?:'s| is| was| were| are| will| would)?(?: be)?"
    r"(?: (?:the|his|her|their|its|my|this|[A-Z]\w{1,20}'s))?(?: \w{1,20}){0,3}? ?"
    rf"\b{_QUANTITY}\b"
    r"|\bwhat(?:'s| is) -?\d[\d.,]*\s?[-+*/x×÷^%]"
    r"|\b(?:calculate|compute|simplify|solve)\b"
    r"|\b(?:find|determine|evaluate|estimate)(?: (?:the|all|its|an?|how|of))?(?: \w{1,20}){0,3}? ?"
    rf"\b{_QUANTITY}\b",
    re.I,
)

_COUNT = re.compile(
    r"(?<![\w.])[$€£]?\d[\d,]*(?:\.\d+)?%?|\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven"
    r"|twelve|(?:thir|four|fif|six|seven|eigh|nine)teen|twenty|thirty|forty|fifty|sixty|seventy"
    r"|eighty|ninety|hundred|thousand|million|half|halves|twice|double|triple|dozen|thirds?"
    r"|quarters?|fourths?|fifths?|sixths?|tenths?)\b",
    re.I,
)


def math(texts: Texts) -> bool:
    """Whether the battle is about mathematics; the rule is this module's docstring."""
    return any(map(_mathematical, map(without_fences, texts.asked)))


def _mathematical(text: str) -> bool:
    if _LATEX.search(text) or _TERMS.search(text):
        return True
    if _EQUATION.search(text) and not bare_code(text):
        return True
    if not _ASKS.search(text):
        return False
    count = len(_COUNT.findall(text))
    dense = count >= NUMBERS and count * APART >= len(text)
    return dense and not coding(Texts((text,)))
