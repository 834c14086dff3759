"""The functions of a Python script, each call in a sandbox of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import orjson
from pydantic import field_validator

from gristmill import sandbox
from gristmill.backends import loop
from gristmill.errors import ConfigError, DataError
from gristmill.sandbox import Finished, Limits
from gristmill.tools import _function
from gristmill.tools.base import Answers, Asked, ToolError, ToolSource

_NAME = "tools"
"""What the script is called in the sandbox."""


class Script(ToolSource):
    """`{file: tools.py}`: the functions of a script, with type hints and docstrings. It is run
    under bubblewrap alone, with the standard library, and anew for each call: it keeps nothing."""

    file: str
    """The script, a relative path from the config's folder."""

    @field_validator("file")
    @classmethod
    def _python(cls, file: str) -> str:
        if not file.endswith(".py"):
            raise ValueError(
                "tools in a file are a Python script, tools.py; schemas are played by a model: "
                "{simulate: {model: ...}, file: schemas.json}"
            )
        return file

    def located(self, folder: Path) -> Self:
        return self.model_copy(update={"file": str(folder / Path(self.file).expanduser())})

    def _source(self) -> bytes:
        try:
            return Path(self.file).read_bytes()
        except OSError as error:
            raise DataError(f"tools.file: {self.file}: {error.strerror}") from None

    def listed(self) -> list[dict[str, Any]]:
        said = loop.run(_Sandboxed(self, self._source()).run({}))
        if "error" in said:
            raise ConfigError(f"tools.file: {self.file}: {said['error']}")
        if not said["tools"]:
            raise ConfigError(f"tools.file: {self.file} defines no function")
        return said["tools"]

    def open(self) -> Answers:
        return _Sandboxed(self, self._source())


class _Sandboxed(Answers):
    def __init__(self, script: Script, source: bytes) -> None:
        self._script = script
        own = Path(_function.__file__).read_bytes()
        self._files = {"main.py": own, f"{_NAME}.py": source}
        self._most = script.max_result_kib << 10
        seconds = script.timeout
        # A text of the script's may grow sixfold in JSON.
        self._limits = Limits(cpu=seconds, wall=seconds, output=8 * self._most + (1 << 20))

    async def answer(self, asked: Asked) -> str:
        said = await self.run({"name": asked.name, "arguments": asked.arguments})
        if "error" in said:
            raise ToolError(said["error"])
        return said["text"]

    async def run(self, what: dict[str, Any]) -> dict[str, Any]:
        """What the script says to one request. Raises ToolError where it says nothing."""
        asked = orjson.dumps({"script": _NAME, "most": self._most, **what})
        command = (*sandbox.interpreter(sandbox.find_language("python")), "main.py")
        done = await sandbox.run(command, files=self._files, stdin=asked, limits=self._limits)
        try:
            said = orjson.loads(done.stdout)
        except orjson.JSONDecodeError:
            said = None
        kinds = {"text": str, "error": str, "tools": list}
        if isinstance(said, dict) and any(isinstance(said.get(k), t) for k, t in kinds.items()):
            return said
        return {"error": _ended(done)}


def _ended(done: Finished) -> str:
    """How a script ended that said nothing."""
    if done.reason in ("exit", "signal"):
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no word"]
        return f"the tool ended with status {done.status}: {last[0][:500]}"
    return f"the tool was ended: it took more {done.reason} than it may"
