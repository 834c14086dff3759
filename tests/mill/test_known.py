"""Rows of files that filters compare with by meaning: embedded once, before anything is spent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gristmill import mill
from gristmill.errors import BackendError, CheckpointError, ConfigError, RunError
from gristmill.mill import Config
from gristmill.similarity.vectors import unit
from mills import settings, tables

ITEMS = ["How many sheep are left in the field at night?", "Name the capital of a large country."]
MODEL = {"model": "scripted:test_known:embed"}
asked: list[str] = []
down = False


def embed(text: str) -> list[float]:
    """Words by their first letters; what a paraphrase has as well."""
    if down:
        raise BackendError("connection", "cannot reach the server")
    asked.append(text)
    counts = [0.01] * 26
    for word in text.lower().split():
        if word[0].isascii() and word[0].isalpha():
            counts[ord(word[0]) - 97] += 1
    return unit(counts).tolist()


@pytest.fixture(autouse=True)
def _counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import test_known

    monkeypatch.setattr(test_known, "asked", [])
    monkeypatch.setattr(test_known, "down", False)


def calls() -> list[str]:
    import test_known

    return test_known.asked


def config(folder: Path, **options: Any) -> Config:
    lines = [{"prompt": "How many sheep are left here in the field?"}, {"prompt": "Zoo, zebra!"}]
    write(folder / "prompts.jsonl", lines)
    write(folder / "bench.jsonl", [{"prompt": item, "response": item} for item in ITEMS])
    values = settings(folder / "prompts.jsonl", judges=[], keep=[])
    values["generate"]["responses"] = 1
    return Config.of({**values, **options}, folder=folder)


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def decontaminated(folder: Path, **meaning: Any) -> Config:
    part = {"against": "bench.jsonl", "meaning": {**MODEL, **meaning}}
    return config(folder, keep=[{"decontamination": part}])


def test_a_paraphrased_item_is_dropped_and_named(tmp_path: Path) -> None:
    ours = decontaminated(tmp_path)
    assert [list(judge) for judge in ours.judges] == [["embedding"]]
    assert ours.export == ["sft"]
    mill.run(ours, tmp_path / "out")
    found = tables(tmp_path / "out")
    assert len(found["sft"]) == 1
    (dropped,) = found["rejected"]
    assert dropped["reason"] == "decontamination:meaning"
    assert dropped["detail"].startswith("bench.jsonl:1, cosine 0.")


def test_files_are_embedded_first_and_once(tmp_path: Path) -> None:
    mill.run(decontaminated(tmp_path), tmp_path / "out")
    assert calls()[:2] == ITEMS
    assert len(calls()) == 4
    # Resumed, decided anew with another threshold, and with an item more.
    mill.run(decontaminated(tmp_path, threshold=0.99), tmp_path / "out")
    assert len(calls()) == 4
    assert len(tables(tmp_path / "out")["sft"]) == 2
    more = decontaminated(tmp_path)
    write(tmp_path / "bench.jsonl", [{"prompt": item} for item in (*ITEMS, "Zoo and zebra")])
    mill.run(more, tmp_path / "out")
    assert calls()[4:] == ["Zoo and zebra"]


def test_semantic_duplicates_of_files_are_dropped(tmp_path: Path) -> None:
    for of in ("prompt", "response", "row"):
        part = {"against": "bench.jsonl", "of": of, "threshold": 0.75}
        judges = [{"embedding": {**MODEL, "of": of}}]
        out = tmp_path / of
        mill.run(config(tmp_path, judges=judges, keep=[{"semantic_duplicates": part}]), out)
        (dropped,) = tables(out)["rejected"]
        assert dropped["reason"] == "semantic_duplicates"
        assert dropped["detail"].startswith("of bench.jsonl:1, cosine 0.")


def test_a_model_that_cannot_be_reached_is_one_error_before_anything_is_spent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import test_known

    monkeypatch.setattr(test_known, "down", True)
    with pytest.raises(
        RunError, match=r"^bench.jsonl:\d: no embedding by 'scripted:.*cannot reach"
    ):
        mill.run(decontaminated(tmp_path), tmp_path / "out")
    assert not (tmp_path / "out/checkpoint/finished.jsonl").read_bytes()
    assert not (tmp_path / "out/checkpoint/vectors.jsonl").read_bytes()


def test_the_forecast_counts_the_rows(tmp_path: Path) -> None:
    judges = [{"embedding": {**MODEL, "of": "prompt", "price": {"input": 1_000_000}}}]
    without = mill.forecast(config(tmp_path, judges=judges))
    ours = decontaminated(tmp_path, price={"input": 1_000_000})
    found = mill.forecast(ours)
    assert found.calls == without.calls + len(ITEMS)
    # Two bytes a token, so that it is enough for any text.
    rows = sum((len(item) + 1) // 2 for item in ITEMS)
    assert found.judge_tokens == without.judge_tokens + rows
    assert found.usd is not None
    assert without.usd is not None
    assert found.usd > without.usd


def test_a_judge_that_is_there_is_not_brought_twice(tmp_path: Path) -> None:
    judges = [{"embedding": {**MODEL, "of": "prompt", "concurrency": 3}}]
    part = {"decontamination": {"against": "bench.jsonl", "meaning": MODEL}}
    ours = config(tmp_path, judges=judges, keep=[part, part])
    assert ours.judges == judges
    judges[0]["embedding"]["prefix"] = "query: "
    with pytest.raises(ConfigError, match="has the prefix 'query: '"):
        config(tmp_path, judges=judges, keep=[part])


def test_embeddings_belong_to_a_folder(tmp_path: Path) -> None:
    mill.run(config(tmp_path), tmp_path / "out")
    with pytest.raises(CheckpointError, match="belongs to another config"):
        mill.run(decontaminated(tmp_path), tmp_path / "out")
