"""Programs made ready to run: compiled once, in a sandbox of its own, where the language is."""

from __future__ import annotations

import io
import shlex
import tarfile
from dataclasses import dataclass, field

from gristmill.sandbox.languages import Language, compiler, interpreter
from gristmill.sandbox.limits import MIB, Limits
from gristmill.sandbox.run import run

# Compilers take more than the programs that they make.
_LIMITS = Limits(
    cpu=120,
    wall=360,
    memory=4096 * MIB,
    processes=256,
    disk=256 * MIB,
    output=64 * MIB,
    files=1024,
    address=False,
)


@dataclass(frozen=True, slots=True)
class Program:
    """A program that can be run: command, and the files that it needs in the working folder.
    error: what the compiler said where there is none."""

    command: tuple[str, ...]
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    error: str = ""


async def build(
    source: str, language: Language, *, file: str = "", options: tuple[str, ...] = ()
) -> Program:
    """Make a program of a source. file, options: another name than the language's own, and another
    command to compile it.

    Raises ConfigError where the interpreter or compiler is missing, BackendError as `run`.
    """
    name = file or language.file
    data = source.encode("utf-8", "replace")
    command = interpreter(language)
    if not language.build:
        return Program((*command, name), {name: data})
    compile_ = shlex.join([*compiler(language, options), name])
    script = f"{compile_} >&2 && exec tar -cf - {language.makes}"
    done = await run(["/bin/sh", "-c", script], files={name: data}, limits=_LIMITS)
    if not done.ok:
        why = "" if done.reason == "exit" else f"the compiler met its limit of {done.reason}\n"
        return Program(command, error=why + done.stderr.decode("utf-8", "replace"))
    return Program(command, _files(done.stdout))


def _files(archive: bytes) -> dict[str, bytes]:
    """The plain files of an archive, which a compiler made of a program that nobody has read."""
    found = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isfile() else None
            if content is not None:
                found[member.name] = content.read()
    return found
