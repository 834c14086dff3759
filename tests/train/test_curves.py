"""The log of a training run, read and drawn."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gristmill.errors import MissingExtra, StorageError
from gristmill.train import curves


def step(number: int, loss: float = 1.0, **more: Any) -> dict[str, Any]:
    return {"step": number, "of": 9, "loss": loss, "lr": 1e-5, "grad_norm": 0.5, **more}


def write(path: Path, lines: list[Any], end: str = "") -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + end)
    return path


def size_of(png: Path) -> tuple[int, int]:
    head = png.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", head[16:24])


def test_steps_and_validation_are_told_apart(tmp_path: Path) -> None:
    held = {"step": 2, "validation": {"loss": 0.9}}
    log = write(tmp_path / "log.jsonl", [step(1), step(2), held, step(3)])
    steps, measured = curves.read_log(log)
    assert [line["step"] for line in steps] == [1, 2, 3]
    assert measured == [held]


def test_what_is_no_line_of_a_log_is_left_out(tmp_path: Path) -> None:
    bad = [[], 3, {"loss": 1}, {"step": "1"}, {"step": 2, "validation": None}]
    log = write(tmp_path / "log.jsonl", [step(1), *bad], end='{"step": 4, "lo')
    assert curves.read_log(log) == ([step(1)], [])
    log.write_bytes(b"\xff\xfe\n" + b"[" * 100_000)
    assert curves.read_log(log) == ([], [])
    assert curves.read_log(tmp_path / "none.jsonl") == ([], [])


def test_steps_done_again_after_a_resume_count_once(tmp_path: Path) -> None:
    def held(number: int, loss: float) -> dict[str, Any]:
        return {"step": number, "validation": {"loss": loss}}

    first = [step(1, 5), step(2, 4), held(2, 4), step(3, 3), step(4, 2), held(4, 2)]
    again = [step(3, 3.5), step(4, 2.5), held(4, 2.5)]
    steps, measured = curves.read_log(write(tmp_path / "log.jsonl", first + again))
    assert [line["loss"] for line in steps] == [5, 4, 3.5, 2.5]
    assert measured == [held(2, 4), held(4, 2.5)]


def test_a_series_is_finite_and_smoothing_keeps_a_line() -> None:
    lines = [step(1, 2.0), step(2, float("nan")), step(3, float("inf")), step(4, 1.0)]
    at, values = curves.series(lines, "loss")
    assert at.tolist() == [1, 4] and values.tolist() == [2, 1]
    assert curves.series(lines, "accuracy")[0].size == 0
    assert curves.smoothed(np.full(200, 3.0)) == pytest.approx(np.full(200, 3.0))
    assert curves.smoothed(np.array([1.0, 9.0])).tolist() == [1.0, 9.0]
    noise = np.random.default_rng(0).normal(size=400)
    assert curves.smoothed(noise).std() < 0.4 * noise.std()


@pytest.mark.parametrize(
    "lines",
    [
        [step(1)],
        [step(n, 10 / n, accuracy=n / 60) for n in range(1, 60)]
        + [{"step": 30, "validation": {"loss": 0.4, "accuracy": 0.6}}],
        [step(n, -0.5 * n) for n in range(1, 9)],
        [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 0.0}],
    ],
    ids=["one step", "pairs", "negative", "nothing but the loss"],
)
def test_a_picture_is_written(tmp_path: Path, lines: list[Any]) -> None:
    log = write(tmp_path / "log.jsonl", lines)
    assert curves.plot(log, tmp_path / "curves.png") is True
    width, height = size_of(tmp_path / "curves.png")
    assert width == 1350 and 700 < height < 1100
    assert sorted(p.name for p in tmp_path.iterdir()) == ["curves.png", "log.jsonl"]


def test_no_steps_no_picture(tmp_path: Path) -> None:
    log = write(tmp_path / "log.jsonl", [{"step": 1, "loss": float("nan")}])
    assert curves.plot(log, tmp_path / "curves.png") is False
    assert not (tmp_path / "curves.png").exists()


def test_drawing_leaves_no_figure_behind(tmp_path: Path) -> None:
    write(tmp_path / "log.jsonl", [step(1), step(2)])
    code = (
        "import sys; from pathlib import Path; from gristmill.train.curves import plot;"
        f"assert 'matplotlib' not in sys.modules; here = Path({str(tmp_path)!r});"
        "print(plot(here / 'log.jsonl', here / 'a.png'), 'matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True)
    assert done.stdout.split() == [b"True", b"False"], done.stderr


def test_without_matplotlib_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    log = write(tmp_path / "log.jsonl", [step(1)])
    with pytest.raises(MissingExtra, match=r"a plot needs the extra 'train'"):
        curves.plot(log, tmp_path / "curves.png")


def test_a_disk_that_refuses_is_named(tmp_path: Path) -> None:
    log = write(tmp_path / "log.jsonl", [step(1)])
    with pytest.raises(StorageError, match=r"curves\.png: cannot be written"):
        curves.plot(log, tmp_path / "none" / "curves.png")
