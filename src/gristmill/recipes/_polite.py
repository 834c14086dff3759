"""Takes from a played user's message what models put there and people do not."""

from __future__ import annotations

import re

# What begins such a sentence. Models write it into every turn that they play; left in, a model
# that trains on it learns that users always thank first.
_POLITE = re.compile(
    r"""(?xi)
    (?: (?:oh|ah|wow|hi|hello|hey|okay|ok|right|well|great|perfect|excellent|awesome|wonderful
        |interesting|fascinating|amazing|fantastic)\b
        (?:,?\s+(?:there|then|so|answer|point|idea|job|stuff|news|explanation|to\s+know))? \s* [!.]
      | (?:oh,?\s+|wow,?\s+|great,?\s+|ok(?:ay)?,?\s+)?
        (?: thank(?:s|\s+you)\b | i\s+(?:really\s+|truly\s+)?appreciate\s+
              (?:it|this|that|your?|the\s+(?:help|time|effort|details?|answer|explanation))\b
          | (?:that|this|it)(?:'s|\s+is|\s+was|\s+makes?|\s+sounds?)\s+(?:a\s+|an\s+)?
            (?:very\s+|really\s+|so\s+|super\s+|incredibly\s+|quite\s+)?
            (?:helpful|great|useful|interesting|fascinating|clear|sense|perfect|good|insightful
              |amazing|awesome|wonderful|excellent|impressive|informative)\b
          | i'?m\s+glad\b | good\s+(?:point|answer|explanation)\b
          | you'?ve\s+been\s+(?:very\s+)?helpful\b
          | (?:vielen\s+)?dank\b | danke\b | das\s+ist\s+(?:sehr\s+)?(?:hilfreich|interessant)\b
          | merci\b | c'est\s+(?:très\s+)?(?:utile|intéressant)\b
          | (?:muchas\s+)?gracias\b | grazie\b | (?:muito\s+)?obrigad[oa]\b | bedankt\b
        ) [^.!?\n]{0,200} [.!]
    ) \s*
    """,
)
_LABEL = re.compile(r"(?i)\A\s*(?:\*\*)?(?:user|human|me|you)(?:\*\*)?\s*:(?:\*\*)?\s*")
_NEXT = re.compile(r"(?im)^\s*(?:\*\*)?(?:assistant|ai|bot)(?:\*\*)?\s*:")


def spoken(text: str) -> str:
    """What the user says: without a label, without what the model then wrote for the assistant,
    and without thanks and praise at its beginning. Empty if nothing else was there."""
    text = _LABEL.sub("", text, count=1)
    if said := _NEXT.search(text):
        text = text[: said.start()]
    text = rest = text.strip()
    while found := _POLITE.match(rest):
        rest = rest[found.end() :]
    # What now begins a sentence did not before; what began one is as its user wrote it.
    return rest if rest == text else rest[:1].upper() + rest[1:]
