"""report.html: what it says, and that nothing a model writes can act in it."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

import pages
from browser import hinders
from gristmill.errors import DataError, StorageError
from gristmill.mill.parquet import Writers
from gristmill.mill.rows import Origin, preference_row, scored_row, sft_row
from gristmill.mill.select import pair
from gristmill.page.text import percent
from gristmill.records import (
    KEPT,
    Graded,
    Message,
    Prompt,
    Response,
    Sample,
    ToolCall,
    Verdict,
)
from gristmill.report import write_card, write_report
from gristmill.report.turns import messages, turn

HOSTILE = (
    "<script>alert(1)</script></textarea></pre></svg><img src=x onerror=alert(2)>"
    '"><a href="javascript:alert(3)">x</a>\u202egnp.exe\u2066\x00\x1b[31m{{ 7*7 }}{% raw %}'
)


class Page(pages.Page):
    """Its pictures' lines and paths are not closed either."""

    VOID = pages.Page.VOID | {"line", "path"}


def page_of(folder: Path) -> tuple[str, Page]:
    text = write_report(folder).read_text("utf-8")
    return text, Page(text)


def change(folder: Path, **values: Any) -> None:
    """Change some of the metrics of a run."""
    path = folder / "metrics.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def configure(folder: Path, **values: Any) -> None:
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | values))


def test_every_kind_of_run_gives_a_sound_page(any_run: Path) -> None:
    text, page = page_of(any_run)
    assert page.open == []
    assert "support-bot" in page.text
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    for tag, attrs in page.tags:
        if tag == "svg":
            assert attrs["role"] == "img" and attrs["aria-label"]
    assert "nan" not in re.findall(r"[\w-]+", text.lower())


def test_nothing_hinders_reading(any_run: Path) -> None:
    assert hinders(write_report(any_run)) == []


def test_it_asks_no_server_and_runs_only_its_own_script(normal: Path) -> None:
    text, page = page_of(normal)
    for _, attrs in page.tags:
        for name in ("src", "href", "action", "srcset", "data"):
            assert (attrs.get(name) or "data:").startswith("data:")
    assert "url(" not in text and "@import" not in text
    policy = next(a["content"] for t, a in page.tags if a.get("http-equiv")) or ""
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert len(scripts) == 1
    assert f"'sha256-{digest}'" in policy and "default-src 'none'" in policy


def test_headline_funnel_and_truth(normal: Path) -> None:
    metrics = json.loads((normal / "metrics.json").read_text())
    _, page = page_of(normal)
    kept = metrics["responses"]["kept"]
    assert f"{kept} responses passed the filters (threshold, dedup)" in page.text
    assert "Complete" in page.text and "$0.42" in page.text and "47 s" in page.text
    assert f"{metrics['truth']['right_before'] * 100:.1f}\u202f%" in " ".join(page.words)
    assert f"−{800 - kept} dropped" in page.text and "−1 unusable" in page.text
    assert "−1 not scored" in page.text and "4 calls failed for good" in page.text


def test_no_truth_no_section(normal: Path) -> None:
    change(normal, truth=None)
    assert "known truth" not in page_of(normal)[1].text


def test_reasons_are_explained_with_the_bound_that_was_asked_for(normal: Path) -> None:
    change(normal, reasons={"threshold:correctness": 3, "threshold:no_reward": 1, "my_filter:x": 1})
    _, page = page_of(normal)
    assert "Asked for: at least 2.5." in page.text
    assert "No judge gave a score for reward" in page.text
    assert "The filter “my_filter” said no." in page.text
    assert "60.0\u202f%" in " ".join(page.words)


def test_a_filter_with_endless_reasons_does_not_make_an_endless_page(normal: Path) -> None:
    change(normal, reasons={f"near:{i}": 3 for i in range(500)})
    text, page = page_of(normal)
    assert "460 rarer reasons together" in page.text and len(text) < 200_000


def test_every_reason_of_the_design_has_its_own_words() -> None:
    from gristmill.report.reasons import ERRORS, explain

    known = ["dedup", "empty_response", "over_target", "threshold:correctness", "input:bad_json"]
    known += ["input:bad_prompt", "input:duplicate", *(f"error:{kind}" for kind in ERRORS)]
    said = [explain(name) for name in known]
    assert len(set(said)) == len(said)
    assert all(meaning and advice for meaning, advice in said)
    # Those of errors.BackendError's docstring.
    assert {"timeout", "rate_limited", "server", "connection", "bad_reply", "budget"} <= set(ERRORS)


def test_best_and_worst_come_first_and_are_of_different_prompts(normal: Path) -> None:
    rows = pq.read_table(normal / "data/scored.parquet").to_pylist()
    rewards = [row["reward"] for row in rows]
    text, _ = page_of(normal)
    groups = text.split('data-group="')[1:]
    shown = {
        group.split('"')[0]: [float(r) for r in re.findall(r'data-reward="([^"]*)"', group)]
        for group in groups
    }
    assert shown["best"][0] == max(rewards) and shown["worst"][0] == min(rewards)
    assert shown["best"] == sorted(shown["best"], reverse=True)
    assert shown["worst"] == sorted(shown["worst"])
    ids = re.findall(r"tiny:instruct · (\w+)\.\d", groups[0])
    assert len(ids) == len(set(ids)) == 12
    assert "threshold:correctness" in groups[1]


def test_the_same_run_gives_the_same_page(normal: Path) -> None:
    assert page_of(normal)[0] == page_of(normal)[0]


@pytest.mark.parametrize(
    "text", [HOSTILE, "", "x" * 200_000, "\ud800".encode("utf-8", "replace").decode()]
)
def test_model_text_is_only_ever_text(tmp_path: Path, runs: Any, text: str) -> None:
    rows = runs.rows_of(6, 3)
    for row in rows:
        row["prompt"] = row["response"] = text
    tables = runs.tables_of(rows, min_gap=0.01)
    tables["rejected"] += runs.failed(1, text or "timeout")
    tables["rejected"][0] |= {"reason": text, "detail": text, "source": text}
    metrics = runs.metrics_of(tables, 6) | {"name": text, "status": text}
    metrics |= {"versions": {text: text}}
    config = runs.CONFIG | {"name": text, "generate": {"model": text}, "keep": [{text: {}}]}
    folder = runs.write_run(tmp_path / "run", tables, metrics, config)
    raw, page = page_of(folder)
    assert page.open == []
    assert [t for t, _ in page.tags].count("script") == 1
    assert not {"a", "img", "textarea", "iframe"} & {t for t, _ in page.tags}
    assert not [n for _, attrs in page.tags for n in attrs if n.startswith("on")]
    assert not set("\x00\x1b\u202e\u2066") & set(raw)
    assert len(raw) < 2_000_000
    if text == HOSTILE:
        assert html.escape("<script>alert(1)", quote=False) in raw
        assert "⟦U+202E⟧gnp.exe⟦U+2066⟧⟦U+0000⟧" in raw and "{{ 7*7 }}" in raw


def test_a_key_that_slipped_into_an_address_is_not_shown(normal: Path) -> None:
    configure(normal, generate={"model": "https://me:s3cret@host/v1#m"})
    text = page_of(normal)[0]
    assert "s3cret" not in text and "://…@host/v1#m" in text


def test_turns_of_an_embedded_conversation_are_shown_apart(tmp_path: Path, runs: Any) -> None:
    rows = runs.rows_of(1, 2)
    for row in rows:
        row["prompt"] = "Hi\n<extra_id_1>Assistant\nHello!\n<extra_id_1>User\nWhat is 2 plus 2?"
    tables = runs.tables_of(rows)
    text, _ = page_of(runs.write_run(tmp_path / "run", tables, runs.metrics_of(tables, 1)))
    assert "extra_id" not in text.split('data-group="best"')[1].split("data-group")[0]
    assert '<span class="ask" dir="auto">What is 2 plus 2?</span>' in text


@pytest.mark.parametrize(
    ("change_to", "said"),
    [
        ({"export": ["sft", "scored"]}, "Add preference to export"),
        ({"select": {"min_gap": 9}}, "least gap of 9.00"),
        ({}, "no two responses to one prompt"),
    ],
)
def test_without_pairs_it_says_why(
    tmp_path: Path, runs: Any, change_to: dict[str, Any], said: str
) -> None:
    tables = runs.tables_of(runs.rows_of(5, 4), min_gap=99)
    folder = runs.write_run(tmp_path / "run", tables, runs.metrics_of(tables, 5))
    configure(folder, **change_to)
    assert said.lower() in page_of(folder)[1].text.lower()


def test_one_response_a_prompt_cannot_make_pairs(tmp_path: Path, runs: Any) -> None:
    tables = runs.tables_of(runs.rows_of(5, 1), min_gap=99)
    folder = runs.write_run(tmp_path / "run", tables, runs.metrics_of(tables, 5))
    assert "Raise generate: responses to 4" in page_of(folder)[1].text


def test_a_run_without_any_data_set(normal: Path) -> None:
    for file in (normal / "data").iterdir():
        file.unlink()
    configure(normal, export=["sft"])
    assert "Add scored to export" in page_of(normal)[1].text


def test_scores_that_are_missing_or_not_finite_leave_no_trace(tmp_path: Path, runs: Any) -> None:
    rows = runs.rows_of(10, 2)
    for i, row in enumerate(rows):
        row |= dict.fromkeys(runs.ATTRIBUTES)
        row["correctness"], row["helpfulness"], row["verbosity"] = 3, 3, 1
        row["reward"] = [1.5, float("nan"), float("inf"), None][i % 4]
    tables = runs.tables_of([r for r in rows if r["reward"] == 1.5])
    tables["scored"] = [{**r, "kept": True} for r in rows]
    for row in tables["scored"]:
        row |= dict.fromkeys(runs.ATTRIBUTES)
    folder = runs.write_run(tmp_path / "run", tables, runs.metrics_of(tables, 10))
    text, page = page_of(folder)
    assert page.text.count("median score") == 1  # the reward's chart alone
    assert "inf" not in re.findall(r"[\w-]+", text.lower())


Breaker = Callable[[Path], Any]
BREAKERS: dict[str, Breaker] = {
    "metrics.json: missing": lambda d: (d / "metrics.json").unlink(),
    "metrics.json: cannot be read": lambda d: (d / "metrics.json").write_text("{"),
    "metrics.json: holds list": lambda d: (d / "metrics.json").write_text("[]"),
    "run.yaml: missing": lambda d: (d / "run.yaml").unlink(),
    "run.yaml: cannot be read": lambda d: (d / "run.yaml").write_text("a: [1"),
    "scored.parquet: cannot be read": lambda d: (d / "data/scored.parquet").write_bytes(b"PAR1"),
    "scored.parquet: has no column `kept`": lambda d: pq.write_table(
        pq.read_table(d / "data/scored.parquet").drop(["kept"]), d / "data/scored.parquet"
    ),
    "not this run's files": lambda d: pq.write_table(
        (t := pq.read_table(d / "data/scored.parquet")).set_column(
            t.column_names.index("reward"), "reward", t.column("prompt")
        ),
        d / "data/scored.parquet",
    ),
}


@pytest.mark.parametrize("said", BREAKERS)
def test_damage_is_one_clear_line(normal: Path, said: str) -> None:
    BREAKERS[said](normal)
    with pytest.raises(DataError) as caught:
        write_report(normal)
    message = str(caught.value)
    assert said in message and "\n" not in message and "gristmill run" in message


def test_damage_inside_a_file_is_found_too(normal: Path) -> None:
    path = normal / "data/scored.parquet"
    data = bytearray(path.read_bytes())
    data[4:2000] = b"\xff" * 1996
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"scored\.parquet: cannot be read"):
        write_report(normal)


def test_no_folder_and_no_room(normal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="no such folder"):
        write_report(normal / "nowhere")
    write_report(normal)
    before = (normal / "report.html").read_text()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(StorageError, match="No space left"):
        write_report(normal)
    assert (normal / "report.html").read_text() == before


def test_a_folder_that_may_only_be_read(normal: Path) -> None:
    """Root may write anywhere, so that the folder is bound read-only."""
    command = ["bwrap", "--dev-bind", "/", "/", "--ro-bind", str(normal), str(normal), "--"]
    if subprocess.run([*command, "true"], capture_output=True).returncode:
        pytest.skip("bubblewrap does not work here")
    before = sorted(normal.rglob("*"))
    command += [sys.executable, "-m", "gristmill.cli", "report", str(normal)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    said = f"error: {normal}/README.md: cannot write: Read-only file system\n"
    assert done.stderr == said
    assert sorted(normal.rglob("*")) == before


def test_thoughts_are_folded_away_and_calls_shown_and_neither_can_act(tmp_path: Path) -> None:
    call = {"id": "x", "type": "function",
            "function": {"name": HOSTILE, "arguments": {"a": HOSTILE}}}  # fmt: skip
    graded = Graded(
        0,
        Prompt("p", (Message("user", "Add."),)),
        tuple(
            Sample(i, response, (Verdict("reward", "m", float(i)),))
            for i, response in enumerate(
                (
                    Response("Said at last.", "m", reasoning=f"Thought of. {HOSTILE}"),
                    Response("", "m", tool_calls=(ToolCall("add", json.dumps({"a": HOSTILE})),)),
                )
            )
        ),
    )
    run = small(tmp_path, graded)
    text, page = page_of(run)
    assert page.open == [] and "<img" not in text and "alert(1)</script>" not in text
    folds = [attrs for tag, attrs in page.tags if attrs.get("class") == "thought"]
    assert folds and all("open" not in attrs for attrs in folds)
    assert "Thought of." in page.text and "Said at last." in page.text
    assert '"a": "<script>' in page.text, "arguments are shown as they are"
    assert messages([{"role": "assistant", "content": "", "tool_calls": [call]}])[0].calls
    card = write_card(run).read_text("utf-8")
    assert "`reasoning_content`" in card and "`tool_calls` (JSON)" in card


def test_a_call_in_a_form_that_nobody_knows_is_shown_as_it_is() -> None:
    for given in ("no json", '{"x": 1}', [{"function": None}], 7):
        (shown,) = turn("assistant", "", None, given).calls
        assert shown.arguments.text == str(given)


def test_what_was_not_used_and_unknown_endings_are_said(normal: Path) -> None:
    assert "nothing used" not in page_of(normal)[1].text
    change(normal, unused_columns={"<b>stars</b>": 1200}, endings={"eos": 3})
    _, page = page_of(normal)
    assert "Columns that nothing used: <b>stars</b> (1,200 rows)." in page.text
    assert "count as answers: eos (3 responses)." in page.text


def small(folder: Path, *graded: Graded) -> Path:
    """A run of these, as the mill writes its tables."""
    origin = Origin(["m"], ["judge"], [["MIT"]], 0)
    names = ["sft", "preference", "scored", "rejected"]
    (folder / "data").mkdir()
    with Writers(folder / "data", names, origin) as out:
        for one in graded:
            for sample in one.samples:
                out.add("scored", scored_row(one, sample, "Add.", True))
            out.add("sft", sft_row(one, one.samples[-1]))
            found = pair(one, (KEPT,) * len(one.samples), 0.0)
            assert found is not None
            out.add("preference", preference_row(one, found))
    metrics = {"status": "complete", "responses": {"sampled": 2, "scored": 2, "kept": 2}}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (folder / "run.yaml").write_text(yaml.safe_dump({"name": "said"}))
    return folder


def test_a_run_without_a_judge_speaks_of_none(tmp_path: Path) -> None:
    from gristmill.jobs.run import run
    from mills import settings, write_prompts

    run(settings(write_prompts(tmp_path, 3), judges=[], keep=[]), tmp_path / "out", quiet=True)
    page = (tmp_path / "out" / "report.html").read_text()
    assert "This run has no judge." in page
    for said in ("Preference pairs", "does not export", "not scored", ">Scored<"):
        assert said not in page


def test_models_that_answered_stand_side_by_side(tmp_path: Path) -> None:
    from gristmill.jobs.run import run
    from mills import settings, write_prompts

    values = settings(write_prompts(tmp_path, 40))
    one = {**values["generate"], "licence": "MIT"}
    other = {**one, "model": "scripted:scripts:other", "temperature": 1.5}
    examples = [{"prompt": "<b>", "response": "Bold."}]
    values["generate"] = [one, {**other, "examples": examples, "licence": "GPL-3.0"}]
    outcome = run(values, tmp_path / "out", quiet=True)
    _, page = page_of(tmp_path / "out")
    assert "scripted:echo and scripted:scripts:other answered 40 prompts" in page.text
    assert "The models that answered" in page.text
    assert "responses 2, temperature 1.5, max_tokens 512, few-shot examples" in page.text
    for model in outcome.metrics["models"]:
        assert f"{model['reward']:.2f}" in page.text
        assert " ".join(percent(model["kept"] / model["sampled"]).split()) in page.text
    card = (tmp_path / "out" / "README.md").read_text()
    assert "| sampling of `scripted:scripts:other` | responses 2, temperature 1.5" in card
    assert "chosen_model" in card and "gpl-3.0-and-mit" in card
    change(tmp_path / "out", models=[{"name": 3}, "x"])
    assert "The models that answered" in page_of(tmp_path / "out")[1].text
    change(tmp_path / "out", models=None)
    assert "The models that answered" not in page_of(tmp_path / "out")[1].text


def test_one_model_has_no_table_of_its_own(normal: Path) -> None:
    assert "The models that answered" not in page_of(normal)[1].text
