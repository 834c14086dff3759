"""The languages that a sandbox can run: those whose interpreter is on this machine."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from gristmill.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Language:
    """How programs of one language are run.

    aliases: what fenced blocks are tagged with, lower case, the name among them. file: what the
    program is called. command: the interpreter and its options, the file aside. package: what to
    install. address: whether a limit of the address space suits the interpreter; some reserve
    gigabytes that they never use.
    """

    name: str
    aliases: tuple[str, ...]
    file: str
    command: tuple[str, ...]
    package: str
    address: bool = True


LANGUAGES = (
    # -I and -S: the standard library alone; no site-packages, no variables, no startup files.
    Language("python", ("python", "python3", "py"), "main.py", ("python", "-I", "-S", "-B"), ""),
    Language("javascript", ("javascript", "js", "node"), "main.js", ("node",), "nodejs", False),
    Language("bash", ("bash", "sh", "shell"), "main.sh", ("bash", "--norc"), "bash"),
    Language("perl", ("perl", "pl"), "main.pl", ("perl",), "perl"),
    Language("ruby", ("ruby", "rb"), "main.rb", ("ruby",), "ruby"),
    Language("lua", ("lua",), "main.lua", ("lua",), "lua5.4"),
    Language("php", ("php",), "main.php", ("php", "-n"), "php-cli"),
    Language("r", ("r", "rscript"), "main.R", ("Rscript", "--vanilla"), "r-base-core"),
)
_SYSTEM = "/usr/bin:/bin"


def find_language(name: str) -> Language:
    """The language of that name or alias. Raises ConfigError naming the known ones."""
    wanted = name.strip().lower()
    for language in LANGUAGES:
        if wanted in language.aliases:
            return language
    known = ", ".join(language.name for language in LANGUAGES)
    raise ConfigError(f"code in '{name}' cannot be run; known: {known}")


def interpreter(language: Language) -> tuple[str, ...]:
    """The command that runs a program of a language, the program's file aside.

    Python is the one that runs gristmill; others are looked for where the system installs them,
    as a sandbox sees no other place. Raises ConfigError saying what to install.
    """
    program, *options = language.command
    if program == "python":
        return (str(python()), *options)
    found = shutil.which(program, path=_SYSTEM)
    if found is None:
        raise ConfigError(
            f"code in {language.name} needs '{program}' in {_SYSTEM.replace(':', ' or ')}: "
            f"apt install {language.package}"
        )
    return (found, *options)


def python() -> Path:
    """The interpreter itself, not the virtual environment's link to it."""
    real, prefix = Path(os.path.realpath(sys.executable)), Path(os.path.realpath(sys.base_prefix))
    if real.is_relative_to(prefix):
        return real
    return prefix / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
