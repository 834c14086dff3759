"""Programming: code that is written, read, mended or asked about.

Three signs, any of which is enough. They are meant to be right rather than complete: a board of
code with poems in it is worth less than one that lacks a few questions.

1. Code in one of the user's turns, in a fenced block or bare (`code`).
2. Words in one of the user's turns: a language or tool whose name means little else
   ("JavaScript", "regex", not "Go" or "C" alone), or a verb of making or asking before a thing
   that is code ("write a function that", "fix this code:"). The words are English.
3. Code in a fenced block in the answers of every side; one model's liking for code is no sign.
"""

from __future__ import annotations

import re

from gristmill.arena.tags.code import bare_code, fenced_code
from gristmill.arena.tags.texts import Texts

_NAMES = re.compile(
    r"\b(?:python3?|javascript|typescript|node\.?js|java(?= (?:code|program|class|method|app"
    r"|developer|script|spring|\d))|golang|kotlin|c\+\+\d*|c89|c99|c#|f#|\.net core|asp\.net"
    r"|php|perl script|haskell|ocaml|matlab|fortran|cobol|vba|verilog|systemverilog|vhdl"
    r"|powershell|bash|zsh|dockerfile|docker|kubernetes|kubectl|terraform|ansible|html5?|css3?"
    r"|tailwind(?:css)?|jquery|reactjs|react\.js|react native|react component|vue\.?js|angularjs"
    r"|next\.?js|express\.js|svelte|django|fastapi|sqlalchemy|laravel|drupal"
    r"|spring (?:boot|security)|ruby on rails"
    r"|pytorch|tensorflow|keras|numpy|pandas(?= (?:data ?frame|df|library|code|series))"
    r"|scikit-learn|sklearn|matplotlib|opencv|pyspark"
    r"|mysql|postgres(?:ql)?|sqlite|mongodb|graphql|sql|regex|regexp|regular expressions?"
    r"|github actions?|git repository|ffmpeg|webpack|arduino|esp32|stm32|unity3d|pygame|leetcode"
    r"|source code|pseudo-?code|unit tests?|compiler error|segmentation fault|segfault|makefile"
    r"|traceback|null ?pointer ?exceptions?|rest(?:ful)? apis?|api endpoints?|json schema"
    r"|codebase|command[- ]line (?:tool|argument|interface)s?|header file"
    r"|linux (?:command|console|shell|kernel)s?|linked list|binary search tree|hash ?map"
    r"|web ?scrap(?:er|ing)|asyncio|multithreading|multithreaded|mutex|recursive function"
    r"|gcc|cmake|llvm|web ?assembly|opengl|webgl|glsl|dax formula"
    r"|(?:rust|zig|solidity|swift|scala|lua|ruby) (?:code|programs?|compiler|functions?|struct|gui)"
    r"|swift ?ui|flutter app|blazor|entity framework|visual studio|vs ?code)"
    r"(?![\w+#])",
    re.I,
)

_MAKING = re.compile(
    r"\b(?:write|create|implement|develop|code|program|build|make|design|generate|give|provide"
    r"|fix|debug|refactor|optimi[sz]e|rewrite|translate|convert|complete|modify|improve|test|review"
    r"|explain|run|execute|compile|deploy|find|need|want|kill|terminate)\b"
    r"(?:[ \t]++(?![.?!])[\w+#.'/-]{1,30}){0,5}?[ \t]++"
    r"(?:functions? (?:to|that|which|for|called|named|using|takes?)"
    r"|(?<!video )(?<!movie )(?<!film )(?<!call )(?<!sales )(?<!podcast )"
    r"scripts? (?:to|that|which|for|in|using)"
    r"|programs? (?:to (?!help|improve|reduce|support|train)|that (?:takes|prints|reads|computes)"
    r"|in \w+ (?:to|that))|(?:computer|c|java) programs?"
    r"|(?<!dress )(?<!promo )(?<!area )(?<!zip )"
    r"code(?: (?:to|that|for|in|snippet|review|example|below)|[:.,?]|$)"
    r"|algorithms? (?:to|that|for|in)|(?:web|mobile|android|ios|desktop) ?apps?\b|websites?\b"
    r"|web ?pages?\b|parsers?\b|shaders?\b|chrome extension|discord bot|telegram bot"
    r"|lambda function)",
    re.I | re.M,
)


def coding(texts: Texts) -> bool:
    """Whether the battle is about programming; the rule is this module's docstring."""
    if any(fenced_code(t) or bare_code(t) or _words(t) for t in texts.asked):
        return True
    return bool(texts.answers) and all(any(map(fenced_code, side)) for side in texts.answers)


def _words(text: str) -> bool:
    return bool(_NAMES.search(text) or _MAKING.search(text))
