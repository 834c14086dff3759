"""The languages that a sandbox can run: those whose interpreter or compiler is on this machine."""

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
    program is called. command: the interpreter and its options, the file aside; of a language that
    is compiled, the whole command. package: what to install. address: whether a limit of the
    address space suits the interpreter; some reserve gigabytes that they never use. build: the
    compiler and its options, the file aside. makes: the files that it leaves, as the shell's
    patterns.
    """

    name: str
    aliases: tuple[str, ...]
    file: str
    command: tuple[str, ...]
    package: str
    address: bool = True
    build: tuple[str, ...] = ()
    makes: str = ""


_BUILT = ("sh", "-c", "chmod +x main && exec ./main")
# Nothing is fetched: only Go's own packages and those that Debian installs are seen.
_GO = ("env", "GO111MODULE=off", "GOPATH=/usr/share/gocode", "GOCACHE=/box/.cache", "go")
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
    Language(
        *("cpp", ("cpp", "c++", "cc", "cxx"), "main.cpp", _BUILT, "g++"),
        build=("g++", "-w", "-O1", "-o", "main"),
        makes="main",
    ),
    Language(
        *("java", ("java",), "Main.java"),
        ("java", "-ea", "-Xss64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "Gristmill"),
        *("default-jdk-headless", False),
        build=("javac", "-nowarn", "-d", "."),
        makes="*.class",
    ),
    Language(
        *("go", ("go", "golang"), "main.go", _BUILT, "golang-go", False),
        build=(*_GO, "build", "-o", "main"),
        makes="main",
    ),
    Language(
        *("rust", ("rust", "rs"), "main.rs", _BUILT, "rustc"),
        build=("rustc", "-A", "warnings", "--edition", "2021", "-o", "main"),
        makes="main",
    ),
    Language(
        *("typescript", ("typescript", "ts"), "main.ts", ("node", "main.js"), "node-typescript"),
        address=False,
        # Its own declarations are right: to check them takes more than half of its time.
        build=(
            *("tsc", "--target", "es2020", "--lib", "es2022,dom", "--module", "commonjs"),
            "--skipLibCheck",
        ),
        makes="main.js",
    ),
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
    """The command that runs a program of a language; the file of one that is not compiled follows.

    Python is the one that runs gristmill; others are looked for where the system installs them,
    as a sandbox sees no other place. Raises ConfigError saying what to install.
    """
    program, *options = language.command
    if program == "python":
        return (str(python()), *options)
    if language.build:
        compiler(language)
    return (_found(program, language), *options)


def compiler(language: Language, options: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The command that compiles a program of a language, or its usual one with other options; the
    file follows. Raises ConfigError saying what to install."""
    command = options or language.build
    # Behind `env`, and the variables that it sets.
    tool = next(word for word in command if "=" not in word and word != "env")
    _found(tool, language)
    return command


def _found(program: str, language: Language) -> str:
    found = shutil.which(program, path=_SYSTEM)
    if found is None:
        raise ConfigError(
            f"code in {language.name} needs '{program}' in {_SYSTEM.replace(':', ' or ')}: "
            f"apt install {language.package}"
        )
    return found


def python() -> Path:
    """The interpreter itself, not the virtual environment's link to it."""
    real, prefix = Path(os.path.realpath(sys.executable)), Path(os.path.realpath(sys.base_prefix))
    if real.is_relative_to(prefix):
        return real
    return prefix / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
