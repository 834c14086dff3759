"""What is shown and written: heat map, leaderboard page, table, and the files of the commands."""

from __future__ import annotations

import csv
import io
import json
import re
import struct
from dataclasses import replace
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from browser import browser, hinders
from fights import decided, fair, row, write_rows
from gristmill.arena.battles import Battle, Battles, names_of
from gristmill.arena.export import COLUMNS, as_csv
from gristmill.arena.heatmap import INK, SCALE, WRITTEN, fragment, heat, heat_page, heat_picture
from gristmill.arena.page import leaderboard_page
from gristmill.arena.rank import rank
from gristmill.arena.run import heatmap_files
from gristmill.arena.run import rank as rank_files
from gristmill.arena.settings import Settings
from gristmill.arena.show import show_ratings
from gristmill.arena.stability import ratings_over_time, stability
from gristmill.errors import ConfigError, StorageError
from pages import Page
from processes import run

HOSTILE = [
    "<script>alert(1)</script>",
    '"quoted" & \'so\' onload="x"',
    "nul\0byte",
    "\u202ereversed",
    "$x^2$ {0} %s",
    "$\\frac{",
    "snake_case_name",
    "line\nend",
    "=HYPERLINK(1)",
    "模型 🤖",
]


def world(names: list[str], each: int = 3) -> Battles:
    """Everyone met everyone, with every outcome, the earlier ones winning more."""
    return decided(
        *(
            (a, b, winner, each + (winner == "model_a"))
            for n, a in enumerate(names)
            for b in names[n + 1 :]
            for winner in ("model_a", "model_b", "tie")
        )
    )


def size_of(picture: bytes) -> tuple[int, int]:
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", picture[16:24])


WORN = {"down", "even", "up", "ink"}


def colour(hexed: str) -> np.ndarray:
    return np.array([int(hexed[n : n + 2], 16) for n in (1, 3, 5)]) / 255


def mixed(first: str, second: str, weight: float) -> np.ndarray:
    """What CSS makes of `color-mix(in srgb, first weight, second)`."""
    return weight * colour(first) + (1 - weight) * colour(second)


def contrast(one: np.ndarray, other: np.ndarray) -> float:
    """WCAG's, from 1 to 21."""
    linear = (np.where(c <= 0.03928, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) for c in (one, other))
    less, more = sorted(float(c @ (0.2126, 0.7152, 0.0722)) for c in linear)
    return (more + 0.05) / (less + 0.05)


def harmless(html: str) -> Page:
    """The page, well-formed, with nothing in it but what we wrote."""
    page = Page(html)
    assert page.open == []
    assert "\0" not in html
    assert "\u202e" not in html
    assert "alert(1)" not in "".join(re.findall("<script.*?</script>", html, re.DOTALL))
    assert sum(tag == "script" for tag, _ in page.tags) <= 1
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    return page


class TestHeat:
    def lots(self) -> Battles:
        return decided(
            ("b", "a", "model_b", 6),
            ("a", "b", "model_b", 2),
            ("a", "b", "both_bad", 2),
            ("c", "b", "model_b", 1),
            ("b", "c", "model_b", 1),
        )

    def test_rates_from_both_sides_in_the_order_of_the_ratings(self) -> None:
        lots = self.lots()
        table = heat(lots, rank(lots))
        assert table.models == ["a", "b", "c"]
        assert table.battles.tolist() == [[0, 10, 0], [10, 0, 2], [0, 2, 0]]
        assert table.rate(0, 1) == 0.7
        assert table.rate(1, 0) == pytest.approx(0.3)
        assert table.rate(0, 2) is table.rate(0, 0) is None
        assert (table.pairs, table.possible) == (2, 3)
        assert table.said(0, 1).startswith("a against b: 70\u202f% of 10 battles (")

    def test_the_order_is_that_of_the_leaderboard(self) -> None:
        lots = fair(6, 900)
        found = rank(lots)
        assert heat(lots, found).models == [r["model"] for r in found["ratings"]]

    def test_a_piece_of_a_page(self) -> None:
        lots = self.lots()
        page = Page(fragment(lots, rank(lots)))
        assert page.open == []
        assert [tag for tag, _ in page.tags].count("style") == 1
        titles = [attributes.get("title") for tag, attributes in page.tags if tag == "td"]
        # A corner, and nine cells.
        assert titles[0] is None and len(titles) == 10
        assert titles[1] == "a: the same model"
        assert str(titles[2]).startswith("a against b: 70\u202f% of 10 battles (")
        assert titles[3] == "a and c: never met"

    def test_a_cell_says_what_it_is_without_being_pointed_at(self) -> None:
        lots = self.lots()
        page = Page(fragment(lots, rank(lots)))
        said = page.text.partition("the column's. ")[2].partition(" 0 to 100 %")[0]
        assert said == (
            "a b c a same model 70 % never met b 30 % same model 50 % c never met 50 % same model"
        )
        heads = [a.get("scope") for tag, a in page.tags if tag == "th"]
        assert heads.count("col") == heads.count("row") == 3

    def test_the_figures_can_be_read_on_every_colour(self) -> None:
        css = files("gristmill.page").joinpath("base.css").read_text()
        heat_css = files("gristmill.arena").joinpath("heat.css").read_text()
        for place, block in enumerate(re.findall(r":root \{(.*?)\}", css, re.DOTALL)[:2]):
            of = dict(re.findall(r"--(\w+):\s*(#\w{6})", block))
            for end in ("down", "up"):
                for weight in range(101):
                    cell = mixed(of[end], of["even"], weight / 100)
                    assert contrast(cell, colour(of["ink"])) >= 4.5, (place, end, weight)
            if not place:
                # The picture, and a page of someone else's, have the light ones.
                assert (of["down"], of["even"], of["up"], of["ink"]) == (*SCALE, INK)
                assert all(f"var(--{name}, {of[name]})" in heat_css for name in of.keys() & WORN)

    def test_a_large_map_has_its_numbers_too(self) -> None:
        names = [f"m{n:02d}" for n in range(WRITTEN + 1)]
        lots = world(names, 1)
        html = fragment(lots, rank(lots))
        assert len(re.findall(r'<td class="(?:up|down)"[^>]*>\d+<', html)) == 27 * 26

    @pytest.mark.parametrize(
        "names",
        [HOSTILE, ["x", "y"], ["w" * 50, "v" * 300, "u" * 40], ["模型一", "نموذج", "🤖"]],
        ids=["hostile", "two", "long", "letters"],
    )
    def test_a_picture(self, names: list[str]) -> None:
        lots = world(names)
        found = rank(lots)
        width, height = size_of(heat_picture(heat(lots, found), found, "<$x_1$>\n" + "t" * 200))
        assert 400 < width < 4000
        assert 400 < height < 4000

    def test_a_picture_of_many(self) -> None:
        lots = world([f"m{n:02d}" for n in range(28)], 1)
        found = rank(lots)
        width, height = size_of(heat_picture(heat(lots, found), found, "votes.csv"))
        assert min(width, height) > 1800

    def test_a_page(self) -> None:
        lots = world(HOSTILE)
        found = rank(lots)
        html = heat_page(heat(lots, found), found, "<b>votes</b>.csv").decode()
        page = harmless(html)
        assert "<script>alert(1)</script>" in page.text
        assert "snake_case_name" in page.text
        assert "⟦U+202E⟧" in page.text
        assert "<b>votes</b>.csv" in page.text
        assert "Pairs that met 45 of 45" in page.text


def judges_and_boards() -> Battles:
    """400 battles with everything that a page can show; one judge votes the wrong way round."""
    lots = fair(5, 400, seed=4)
    rng = np.random.default_rng(0)
    judge = rng.integers(0, 6, 400)
    wrong = (judge == 5) & (lots.outcome < 2)
    upside = np.where(lots.a > lots.b, 1, 0)
    outcome = np.where(wrong, upside, lots.outcome).astype(np.int8)
    names = [f"<i>judge</i> {n}" for n in judge]
    return Battles(
        lots.models,
        lots.a,
        lots.b,
        outcome,
        names={
            "judge": names_of([*names]),
            "id": names_of([f"pair {n // 4}" for n in range(400)]),
            "language": names_of(["en"] * 340 + ["de"] * 60),
        },
        time=np.arange(400.0),
        turns=np.where(np.arange(400) < 60, 2, 1).astype(np.int32),
        tags={"coding": np.arange(400) % 2 == 0, "rare": np.arange(400) < 5},
    )


def page_of(lots: Battles, name: str = "votes.csv", **values: Any) -> tuple[dict[str, Any], Page]:
    settings = Settings(**values)
    found = rank(lots, settings)
    return found, harmless(leaderboard_page(name, lots, found, settings).decode())


class TestLeaderboard:
    def test_everything_is_on_it(self) -> None:
        found, page = page_of(judges_and_boards())
        for words in ("Coding", "Multi-turn", "en", "de", "Has it settled?", "Win rates"):
            assert words in page.text
        assert "rare" not in page.text  # Five battles are no board.
        assert "order of time" in page.text
        assert [j["judge"] for j in found["judges"]["flagged"]] == ["<i>judge</i> 5"]
        assert "Flagged judges" in page.text
        assert "<i>judge</i> 5" in page.text
        lines = [a for tag, a in page.tags if tag == "path" and a.get("class") == "line"]
        assert len(lines) == 5
        assert all(line["d"].startswith("M") and line["d"].count("L") == 9 for line in lines)

    def test_the_order_is_that_of_the_ratings(self) -> None:
        found, page = page_of(judges_and_boards())
        places = [page.text.index(row["model"]) for row in found["ratings"]]
        assert places == sorted(places)
        for each in found["ratings"]:
            assert f"{each['lower']:,.0f} to {each['upper']:,.0f}" in page.text

    def test_agreement(self) -> None:
        two = [("model_a", "model_a"), ("tie", "tie"), ("model_b", "model_a"), ("tie", "tie")]
        lots = Battles.of(
            Battle(id=f"p{n}", model_a="a", model_b="b", winner=winner, judge=judge)
            for n, pair in enumerate(two)
            for winner, judge in zip(pair, ("x", "y"), strict=True)
        )
        _, page = page_of(lots)
        assert "Agreement, people pairs judged more than once 4" in page.text
        assert "votes that agree 75.0" in page.text
        assert "Krippendorff's alpha" in page.text
        assert "Agreement, models" not in page.text

    def test_little_is_shown_of_little(self) -> None:
        _, page = page_of(decided(("a", "b", "model_a", 2), ("b", "a", "tie", 1)))
        assert "Has it settled?" not in page.text
        assert "All boards" not in page.text
        assert "Flagged" not in page.text

    def test_the_order_of_votes_is_said(self) -> None:
        lots = fair(4, 200)
        _, page = page_of(lots)
        assert (
            "each tenth of the votes, in a random order, since the votes have no time." in page.text
        )
        some = replace(lots, time=np.where(np.arange(200) < 199, np.arange(200.0), np.nan))
        _, page = page_of(some)
        last = "in order of time, the 1 vote without one last and in a random order."
        assert last in page.text

    def test_a_file_in_the_order_of_its_models_is_not_told_in_it(self) -> None:
        lots = fair(6, 3000)
        pair = 6 * np.minimum(lots.a, lots.b) + np.maximum(lots.a, lots.b)
        by_pair = lots.take(np.argsort(pair, kind="stable"))
        # One time for all tells no more than none.
        for one in (by_pair, replace(by_pair, time=np.ones(len(lots)))):
            parts = ratings_over_time(one, Settings())
            assert all(len(part) == 6 for part in parts)
            assert max(abs(parts[4][m] - parts[-1][m]) for m in parts[-1]) < 40
            assert parts == ratings_over_time(one, Settings())
        # A real order of time is kept, whatever it is.
        timed = ratings_over_time(replace(by_pair, time=np.arange(3000.0)), Settings())
        assert len(timed[0]) < 6

    def test_hostile_names(self) -> None:
        lots = world(HOSTILE, 2)
        lots.names["judge"] = names_of([f"</td><script>alert(1)</script>{n % 3}" for n in lots.a])
        lots.tags["<b>board</b>"] = np.ones(len(lots), dtype=bool)
        _, page = page_of(lots, name='<img src=x onerror="alert(1)">')
        assert "<b>board</b>" in page.text
        assert "nul⟦U+0000⟧byte" in page.text
        assert '<img src=x onerror="alert(1)">' in page.text
        assert not any(tag in ("img", "b", "i") and a.get("src") for tag, a in page.tags)

    @pytest.mark.parametrize(
        "values",
        [
            {"method": "davidson"},
            {"method": "rao-kupper", "ci": "bootstrap", "rounds": 20},
            {"method": "elo", "rounds": 20},
            {"ci": "cluster", "cluster_by": "judge"},
            {"category": "coding"},
            {"anchor": ("m02", 1500)},
            {"l2": 1.0},
        ],
        ids=str,
    )
    def test_every_way_of_rating(self, values: dict[str, Any]) -> None:
        found, page = page_of(judges_and_boards(), **values)
        assert "How it is rated" in page.text
        assert f"{found['battles']:,} battles" in page.text

    def test_covariates_are_shown(self) -> None:
        lots = fair(3, 300, covariates={"len<gth": np.random.default_rng(1).normal(0, 1, 300)})
        _, page = page_of(lots, covariates=["len<gth"])
        assert "len<gth" in page.text
        assert "equal style" in page.text

    def test_groups_and_models_without_a_rating(self) -> None:
        lots = decided(
            *((a, b, w, 30) for a, b in ("ab", "xy") for w in ("model_a", "model_b")),
            ("top", "a", "model_a", 4),
            ("b", "low", "model_a", 4),
        )
        _, page = page_of(lots)
        for words in ("not all comparable", "undefeated", "winless", "or more", "or less", "group"):
            assert words in page.text

    def test_an_anchor_that_one_board_cannot_rate(self) -> None:
        """It won all of its battles on that board, which is then not anchored."""
        lots = decided(
            ("a", "b", "model_a", 30),
            ("b", "a", "model_a", 30),
            ("b", "c", "model_a", 30),
            ("c", "b", "model_a", 30),
        )
        lots.tags["coding"] = (lots.outcome == 0) & (np.arange(120) % 30 < 25)
        lots.tags["coding"][30:60] = False
        found, page = page_of(lots, anchor=("a", 1500))
        assert {r["model"]: r["rating"] for r in found["ratings"]}["a"] == pytest.approx(1500)
        assert "Coding" in page.text

    def test_a_board_that_cannot_be_fitted_says_so(self) -> None:
        """On it the covariate decides every battle, so that it has no likeliest value."""
        lots = fair(3, 400)
        x = np.random.default_rng(2).normal(0, 1, 400)
        coding = np.arange(400) < 60
        outcome = np.where(coding, np.where(x > 0, 0, 1), lots.outcome).astype(np.int8)
        made = Battles(
            lots.models,
            lots.a,
            lots.b,
            outcome,
            tags={"coding": coding},
            covariates={"x": x},
        )
        _, page = page_of(made, covariates=["x"])
        assert page.text.count("Coding") >= 2
        assert "did not converge" in page.text or "no single maximum" in page.text

    def test_ratings_far_apart_have_a_scale(self) -> None:
        names = [f"m{n:02d}" for n in range(40)]
        steps = list(pairwise(names))
        lots = decided(
            *((a, b, "model_a", 999) for a, b in steps), *((b, a, "model_a", 1) for a, b in steps)
        )
        found = stability(
            lots.take(np.random.default_rng(0).permutation(len(lots))), Settings(), 40
        )
        assert found is not None
        assert len(found.ticks) >= 2


class TestShown:
    def shown(self, found: dict[str, Any]) -> str:
        console = Console(file=io.StringIO(), width=120, color_system=None)
        show_ratings(console, found, [Path("out [red].json")])
        assert isinstance(console.file, io.StringIO)
        return console.file.getvalue()

    def test_a_table(self) -> None:
        text = self.shown(rank(fair(4, 600)))
        assert text.startswith("Overall: 600 battles of 4 models, ")
        lines = [line.split() for line in text.splitlines() if re.match(r" +\d", line)]
        assert [line[1] for line in lines] == ["m03", "m02", "m01", "m00"]
        assert text.endswith("out [red].json\n")

    def test_no_escapes_of_files_and_boards(self) -> None:
        found = rank(fair(4, 600))
        evil = "x\x1b[31m\x9b"
        text = self.shown({**found, "category": evil, "warnings": [f"{evil}: no battles."]})
        assert "\x1b" not in text and "\x9b" not in text

    def test_open_intervals_and_groups(self) -> None:
        found = rank(
            decided(
                *((a, b, w, 9) for a, b in ("ab", "xy") for w in ("model_a", "model_b")),
                ("top", "a", "model_a", 4),
                ("b", "low", "model_a", 4),
            )
        )
        text = self.shown(found)
        assert re.search(r"top +undefeated +\d[\d,]* or more", text)
        assert re.search(r"low +winless +\d[\d,]* or less", text)
        assert text.count("note: ") == 3

    def test_names_are_one_line_without_markup(self) -> None:
        text = self.shown(rank(world(["[red]x[/red]", "line\nend", "\x1b[31mred", "\u202eback"])))
        assert "[red]x[/red]" in text
        assert "line end" in text
        assert "\x1b" not in text
        assert "\u202e" not in text

    def test_negative_ratings_have_a_true_minus(self) -> None:
        found = rank(fair(4, 600), Settings(anchor=("m03", -100)))
        assert "−" in self.shown(found)
        assert not re.search(r"-\d", self.shown(found))


class TestTable:
    def test_rows_and_what_is_not_finite(self) -> None:
        lots = decided(
            ("a", "b", "model_a", 9), ("b", "a", "model_a", 9), ("top", "a", "model_a", 4)
        )
        rows = list(csv.DictReader(io.StringIO(as_csv(rank(lots)).decode())))
        assert tuple(rows[0]) == COLUMNS
        assert [row["model"] for row in rows] == ["top", "a", "b"]
        assert (rows[0]["rating"], rows[0]["upper"], rows[0]["note"]) == ("", "", "undefeated")
        assert float(rows[1]["rating"]) == pytest.approx(1000)

    def test_no_name_is_a_formula(self) -> None:
        names = ["=1+1", "+1", "-1", "@x", "\t=1", "\n=1", "\r=2", 'plain, "quoted"', "a=b"]
        rows = list(csv.DictReader(io.StringIO(as_csv(rank(world(names))).decode(), newline="")))
        shown = {row["model"] for row in rows}
        assert shown == {f"'{name}" for name in names[:6]} | {"'\n=2"} | set(names[7:])


class TestFiles:
    def source(self, folder: Path) -> Path:
        lots = fair(4, 200)
        winners = ("model_a", "model_b", "tie")
        rows = [
            row(lots.models[a], lots.models[b], winners[o], judge=f"j{n % 5}", turns=1 + n % 2)
            for n, (a, b, o) in enumerate(zip(lots.a, lots.b, lots.outcome, strict=True))
        ]
        return write_rows(folder / "votes.csv", rows)

    def test_rank_writes_each_kind(self, tmp_path: Path) -> None:
        source = self.source(tmp_path)
        outs = [tmp_path / "new" / f"board.{kind}" for kind in ("json", "csv", "html", "HTML")]
        arguments = [part for out in outs for part in ("--out", out)]
        code, out, err = run("arena", "rank", source, *arguments)
        assert (code, err) == (0, "")
        assert out.splitlines()[-4:] == [str(path) for path in outs]
        found = json.loads(outs[0].read_text())
        assert (found["battles"], len(found["ratings"])) == (200, 4)
        lines = list(csv.DictReader(outs[1].read_text().splitlines()))
        assert [line["model"] for line in lines] == [r["model"] for r in found["ratings"]]
        assert "Multi-turn" in harmless(outs[2].read_text()).text
        assert outs[2].read_bytes() == outs[3].read_bytes()

    def test_heatmap_writes_each_kind(self, tmp_path: Path) -> None:
        source = self.source(tmp_path)
        outs = [tmp_path / "heat.png", tmp_path / "heat.html"]
        code, out, err = run("arena", "heatmap", source, "--out", outs[0], "--out", outs[1])
        assert (code, err) == (0, "")
        assert out.splitlines() == [
            "4 models, 200 battles, 6 of 6 pairs met",
            *(str(path) for path in outs),
        ]
        size_of(outs[0].read_bytes())
        harmless(outs[1].read_text())

    def test_a_heat_map_of_one_board(self, tmp_path: Path) -> None:
        out = tmp_path / "heat.html"
        said = heatmap_files([self.source(tmp_path)], {"category": "multi_turn"}, [out])
        assert "100 battles" in said[0]
        assert "Multi-turn: 100 battles" in Page(out.read_text()).text
        counts = re.findall(r"against[^\"]*% of (\d+) battle", out.read_text())
        assert sum(map(int, counts)) == 200

    @pytest.mark.parametrize("command", ["rank", "heatmap"])
    def test_an_unknown_kind_of_file(self, tmp_path: Path, command: str) -> None:
        code, out, err = run(
            "arena", command, self.source(tmp_path), "--out", tmp_path / "board.pdf"
        )
        assert (code, out) == (2, "")
        (line,) = err.splitlines()
        assert line.startswith(f"error: --out {tmp_path / 'board.pdf'}: name it .")
        assert list(tmp_path.iterdir()) == [tmp_path / "votes.csv"]

    @pytest.mark.parametrize("command", ["rank", "heatmap"])
    def test_where_nothing_can_be_written(self, tmp_path: Path, command: str) -> None:
        source = self.source(tmp_path)
        out = source / "board.html"
        code, _, err = run("arena", command, source, "--out", out)
        (line,) = err.splitlines()
        assert line.startswith(f"error: {out}: cannot write")
        assert code == StorageError.exit_code

    def test_a_folder_in_the_way(self, tmp_path: Path) -> None:
        (tmp_path / "board.json").mkdir()
        with pytest.raises(StorageError, match=r"board\.json"):
            rank_files([self.source(tmp_path)], tmp_path / "board.json")
        assert sorted(p.name for p in tmp_path.iterdir()) == ["board.json", "votes.csv"]

    def test_a_wrong_setting_is_found_before_anything_is_read(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="elo has no style control and no prior"):
            rank_files(tmp_path / "absent.csv", method="elo", l2=1)

    def test_several_files_are_named(self, tmp_path: Path) -> None:
        source = self.source(tmp_path)
        other = source.with_name("more.csv")
        other.write_bytes(source.read_bytes())
        rank_files([source, str(other)], [tmp_path / "board.html"])
        text = Page((tmp_path / "board.html").read_text()).text
        assert "votes.csv and 1 more" in text
        assert "400 battles" in text


class TestInABrowser:
    def pages(self, folder: Path) -> list[Path]:
        few, many = judges_and_boards(), world([f"model-of-some-length-{n}" for n in range(28)], 1)
        votes = [(lots, rank(lots)) for lots in (few, many)]
        made = {
            "board": leaderboard_page("votes.csv", *votes[0], Settings()),
            "few": heat_page(heat(*votes[0]), votes[0][1], "votes.csv"),
            "many": heat_page(heat(*votes[1]), votes[1][1], "votes.csv"),
        }
        for name, page in made.items():
            (folder / f"{name}.html").write_bytes(page)
        return [folder / f"{name}.html" for name in made]

    def test_nothing_hinders_reading(self, tmp_path: Path) -> None:
        assert hinders(*self.pages(tmp_path)) == []

    def test_the_map_scrolls_in_its_box_and_names_stay(self, tmp_path: Path) -> None:
        many = self.pages(tmp_path)[2]
        with browser() as opened:
            page = opened.new_page(viewport={"width": 400, "height": 800})
            page.goto(many.as_uri())
            box = page.locator(".heat-scroll")
            box.evaluate("box => box.scrollTo(600, 500)")
            shown = box.bounding_box()
            for name in (page.locator("tbody th").nth(25), page.locator("thead th").nth(20)):
                at = name.bounding_box()
                assert shown["x"] - 1 <= at["x"] <= shown["x"] + shown["width"] - at["width"]
                assert shown["y"] - 1 <= at["y"] <= shown["y"] + shown["height"] - at["height"]
            cell = page.locator("tbody td").first.bounding_box()
            assert cell["width"] >= 24 and cell["height"] >= 24

    def test_cells_are_told_by_pointer_and_keys(self, tmp_path: Path) -> None:
        many = self.pages(tmp_path)[2]
        with browser() as opened:
            page = opened.new_page(viewport={"width": 400, "height": 800})
            page.goto(many.as_uri())
            said = page.locator(".heat-said")
            first = said.inner_text()
            page.keyboard.press("Tab")
            page.keyboard.press("ArrowDown")
            names = page.locator("tbody th").all_text_contents()
            assert said.inner_text() == f"{names[0]}: the same model"
            for key in [*["ArrowRight"] * 40, "ArrowDown"]:
                page.keyboard.press(key)
            assert said.inner_text().startswith(f"{names[1]} against {names[-1]}: ")
            at, box = (page.locator(f).bounding_box() for f in ("[data-at]", ".heat-scroll"))
            assert at["x"] + at["width"] <= box["x"] + box["width"]
            page.locator("tbody tr").nth(2).locator("td").nth(27).hover()
            assert said.inner_text().startswith(f"{names[2]} against {names[-1]}: ")
            page.locator("h1").hover()
            assert said.inner_text() == first
