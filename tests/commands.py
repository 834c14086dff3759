"""The command line, called in this process: what it says, and with which code it ends."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from gristmill import cli


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The one line that a user reads of an error."""
        assert "Traceback" not in self.err
        (line,) = self.err.splitlines()
        assert line.startswith("error: ")
        return line


Gristmill = Callable[..., Result]


@pytest.fixture
def gristmill(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Gristmill:
    """Call the command line in this process, in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")

    def call(*arguments: str | Path) -> Result:
        monkeypatch.setattr(sys, "argv", ["gristmill", *map(str, arguments)])
        capsys.readouterr()
        try:
            cli.main()
            code = 0
        except SystemExit as done:
            code = int(done.code or 0)
        said = capsys.readouterr()
        return Result(code, said.out, said.err)

    return call
