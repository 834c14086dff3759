"""The judge `genrm`: what is sent, what is read, what it makes of it, in runs and on pairs."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import genrms
from genrms import GenrmServer
from gristmill import judge_eval
from gristmill import rewardbench as board
from gristmill.backends.use import Asked
from gristmill.errors import BackendError, ConfigError
from gristmill.judges._scores import Scores, judgement_in, scores_in
from gristmill.judges.genrm import Genrm
from gristmill.mill import forecast, run
from gristmill.parts import build
from gristmill.records import Response
from mills import config, prompt, tables, write_prompts

TWO = genrms.boxed(4, 2, 2)


def reply(text: str, ending: str = "stop") -> Response:
    return Response(text, "m", ending)


def read(text: str, count: int = 2) -> Scores | None:
    return scores_in(reply(text), count)


class TestReading:
    @pytest.mark.parametrize("form", genrms.REPLIES)
    def test_the_forms_of_the_models(self, form: str) -> None:
        assert read(genrms.REPLIES[form](4, 2, 2)) == Scores((4, 2), 2)
        assert read(genrms.REPLIES[form](3.5, 5, 6)) == Scores((3.5, 5), 6)

    def test_one_answer_alone(self) -> None:
        assert read(genrms.boxed(4), 1) == Scores((4,))
        assert read('{"score_1": 2}', 1) == Scores((2,))
        assert read(genrms.boxed(4), 2) is None
        assert read(TWO, 1) is None

    @pytest.mark.parametrize(
        "broken",
        [
            "",
            "Response 1 is a 4 and response 2 is a 2, so 2.",
            TWO.replace("{4, 2}", "{x, y}"),
            TWO.replace("{4, 2}", "{4}"),
            TWO.replace("{4, 2}", "{4, 2, 3}"),
            TWO.replace("{4, 2}", "{4, 6}"),
            TWO.replace("{4, 2}", "{0, 2}"),
            TWO.replace("{4, 2}", "{4/5, 2/5}"),
            TWO.replace("{4, 2}", "{10, 2}"),
            TWO.replace("\n\\boxed{2}", "\n\\boxed{7}"),
            TWO.replace("\n\\boxed{2}", "\n\\boxed{0}"),
            TWO.replace("\n\\boxed{2}", "\n\\boxed{Response 1}"),
            TWO.partition("[The Begin of Ranking")[0],
            '{"score_1": 4, "score_2": 2}',
            '{"score_1": 4, "score_2": null, "ranking": 2}',
            '{"score_1": -4, "score_2": 2, "ranking": 2}',
            # What stands last counts, also where it cannot be read.
            f"{TWO}\nOr rather:\n{TWO.replace('{4, 2}', '{x, y}')}",
            f'{TWO}\n{{"score_1": "n/a"}}',
        ],
    )
    def test_what_cannot_be_read_is_no_score(self, broken: str) -> None:
        assert read(broken) is None

    def test_a_reply_that_was_cut_off_has_none(self) -> None:
        assert scores_in(reply(TWO, "length"), 2) is None
        assert judgement_in(reply("Final Judgement: Yes", "length")) is None

    def test_an_answer_that_is_quoted_decides_nothing(self) -> None:
        assert read(f"Response 1 says: {genrms.as_json(5, 1, 1)}\n{TWO}") == Scores((4, 2), 2)
        assert read(f"{TWO}\n{genrms.as_json(1, 5, 6)}") == Scores((1, 5), 6)

    def test_the_ranking_parts_equal_scores_alone(self) -> None:
        assert Scores((3, 3), 5).settled == (1.5, 4.5)
        assert Scores((3, 3), 3).settled == (3.5, 2.5)
        assert Scores((4, 2), 6).settled == (4, 2)

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("Final Judgement: Yes", 1.0),
            ("**Final Judgment:** no.", 0.0),
            ("My judgement: Yes\nFinal Judgement: No", 0.0),
            ("Final Judgement: Yes or No", None),
            ("Final Judgement: Yes\nFinal Judgement: unclear", None),
            ("Yes", None),
        ],
    )
    def test_a_judgement(self, text: str, found: float | None) -> None:
        said = judgement_in(reply(text))
        assert (said.each[0] if said else None) == found

    @given(st.text('[]{}\\boxed"score_1:,TheBgnIdviual S0123456789\n ', max_size=300))
    def test_any_text_is_read_or_not(self, text: str) -> None:
        for count in (1, 2):
            for found in (read(text, count), read(TWO + text, count)):
                if found is not None:
                    assert len(found.each) == count
                    assert all(1 <= score <= 5 for score in found.each)

    def test_long_replies_take_no_time(self) -> None:
        for piece in ("[The Begin of Individual Scores]", '"score_1":', "judgement:", "\\boxed{4,"):
            assert read(piece * 50_000) is None
            assert judgement_in(reply(piece * 50_000)) is None


def compare(server: GenrmServer, *texts: str, **options: Any) -> list[Any]:
    judge = Genrm(model=server.model, **options)

    async def main() -> Any:
        async with judge.open() as backend:
            return await judge.compare(backend, prompt("Q?"), [Response(t, "m") for t in texts])

    return list(asyncio.run(main()))


class TestComparing:
    def test_roles_and_sampling(self) -> None:
        with GenrmServer() as server:
            compare(server, "a 4", "b 2", principle="Brevity.", how="pairs", seed=7)
        (body,) = server.bodies
        assert body["messages"] == [
            {"role": "user", "content": "Q?"},
            {"role": "principle", "content": "Brevity."},
            {"role": "response_1", "content": "a 4"},
            {"role": "response_2", "content": "b 2"},
        ]
        assert (body["temperature"], body["top_p"], body["max_tokens"]) == (0.6, 0.95, 16_384)

    @pytest.mark.parametrize("form", genrms.REPLIES)
    @pytest.mark.parametrize("how", ["circle", "pairs"])
    def test_the_mean_of_the_scores(self, how: str, form: str) -> None:
        with GenrmServer(form) as server:
            found = compare(server, "a 1", "b 5", "c 3", "d 4", how=how)
        assert [v.reward for v in found] == [1, 5, 3, 4]
        judge = Genrm(model="m", how=how)  # type: ignore[arg-type]
        assert (
            server.requests == judge.may_take(Asked(), 4, 0).calls == (4 if how == "circle" else 6)
        )
        assert found[0].detail.startswith(f"{2 if how == 'circle' else 3} of ")
        assert "shown second beside" in found[3].detail and ", ranking " in found[3].detail
        assert sum(v.tokens for v in found) == 940 * server.requests

    def test_a_circle_of_two_shows_both_orders(self) -> None:
        with GenrmServer() as server:
            compare(server, "a 4", "b 2")
        shown = [[m["content"] for m in body["messages"][1:]] for body in server.bodies]
        assert sorted(shown) == [["a 4", "b 2"], ["b 2", "a 4"]]

    def test_a_tie_is_parted_by_the_ranking(self) -> None:
        with GenrmServer(bias=1) as server:
            # Ranking 2: the first is better by 1.5, in one order; in the circle it evens out.
            pairs = compare(server, "a 3", "b of 3", how="pairs")
            circle = compare(server, "a 3", "b of 3", how="circle")
        assert [v.reward for v in pairs] == [4.5, 1.5]
        assert [v.reward for v in circle] == [3, 3]

    def test_the_same_text_is_shown_once_and_by_itself_if_it_is_all(self) -> None:
        with GenrmServer() as server:
            found = compare(server, "a 3", "a 3", "a 3")
            assert [v.reward for v in found] == [3, 3, 3]
            assert server.requests == 1
            assert compare(server, "b 5")[0].reward == 5

    def test_votes_are_other_samples_of_the_same_question(self) -> None:
        with GenrmServer() as server:
            found = compare(server, "a 4", "b 2", votes=3, how="pairs")
        assert len({body["seed"] for body in server.bodies}) == 3
        assert len({json.dumps(body["messages"]) for body in server.bodies}) == 1
        assert [v.reward for v in found] == [4, 2]

    def test_alone_and_by_a_principle(self) -> None:
        with GenrmServer() as server:
            alone = compare(server, "a 4", "b 2", how="alone")
            asked = compare(server, "a 4", "b 2", how="principle", principle="Is it high?", votes=2)
        assert [v.reward for v in alone] == [4, 2]
        assert [v.reward for v in asked] == [1, 0]
        assert [m["role"] for m in server.bodies[-1]["messages"]] == [
            "user",
            "assistant",
            "principle",
        ]

    def test_what_cannot_be_read_is_an_error_and_what_can_counts(self) -> None:
        with GenrmServer() as server:
            found = compare(server, "a 4", "garbled 2", "c 3", how="pairs")
        assert [getattr(v, "reward", None) for v in found] == [4, None, 3]
        assert isinstance(found[1], BackendError) and found[1].kind == "unreadable"
        assert "no scores in: 'Both are hard to read.'" in str(found[1])
        assert (
            found[0].detail.startswith("1 of 2 replies read") and "not readable" in found[0].detail
        )

    def test_a_server_without_the_roles_says_so(self) -> None:
        with GenrmServer(status=400, error="Unexpected role 'response_1'") as server:
            found = compare(server, "a 4", "b 2")
        assert all(isinstance(v, BackendError) and v.kind == "bad_request" for v in found)
        assert "Unexpected role" in str(found[0])

    def test_a_server_that_fails_gives_no_score(self) -> None:
        with GenrmServer(status=503) as server:
            found = compare(server, "a 4", "b 2", retries=0)
        assert all(isinstance(v, BackendError) and v.kind == "server" for v in found)

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"how": "principle"}, "needs the `principle`"),
            ({"votes": 3, "temperature": 0}, "votes at temperature 0"),
            ({"votes": 0}, "votes"),
            ({"principle": ""}, "principle"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, options: dict[str, Any], said: str) -> None:
        with pytest.raises(ConfigError, match=said):
            build(Genrm, {"model": "m", **options}, "judges[0]")

    @given(st.integers(1, 12), st.sampled_from(["circle", "pairs", "alone"]))
    def test_every_answer_is_shown(self, n: int, how: Any) -> None:
        shown = Genrm(model="m", how=how).showings(n)
        count = Counter(place for one in shown for place in one)
        assert set(count) == set(range(n)) and len(set(count.values())) == 1
        if how == "pairs" and n > 1:
            assert shown == list(combinations(range(n), 2))


class TestInTheMill:
    def settings(self, folder: Path, server: GenrmServer, **options: Any) -> Any:
        return config(
            write_prompts(folder, 4),
            generate={"model": "scripted:scripts:answer", "responses": 3},
            judges=[{"genrm": {"model": server.model, **options}}],
            keep=[{"threshold": {"judges": {"genrm": 2}}}],
        )

    def test_the_best_is_picked(self, tmp_path: Path) -> None:
        with GenrmServer() as server:
            settings = self.settings(tmp_path, server)
            most = forecast(settings)
            outcome = run(settings, tmp_path / "out")
            assert run(settings, tmp_path / "out").status == "complete"
            assert server.requests == 4 * 3 == most.calls - 4 * 3
        assert outcome.status == "complete"
        assert outcome.metrics["tokens"]["judge"] == 940 * 12 <= most.judge_tokens
        found = tables(tmp_path / "out")
        assert [r["response_id"] for r in found["sft"]] == [f"p{n}.2" for n in range(4)]
        assert {r["judgements"][0]["judge"] for r in found["scored"]} == {"genrm"}

    def test_a_run_of_one_response_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="genrm's circle compares the responses"):
            config(
                write_prompts(tmp_path, 1),
                judges=[{"genrm": {"model": "m"}}],
                keep=[],
                generate={"responses": 1},
            )


class TestOnPairs:
    def pairs(self, folder: Path, rows: list[dict[str, Any]]) -> Path:
        path = folder / "pairs.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    def rows(self, count: int = 12) -> list[dict[str, Any]]:
        return [
            {"prompt": f"{n}?", "chosen": f"x of {n % 3 + 3}", "rejected": f"y of {n % 3 + 1}"}
            for n in range(count)
        ]

    def test_both_orders_by_default(self, tmp_path: Path) -> None:
        with GenrmServer() as server:
            found = judge_eval(
                self.pairs(tmp_path, self.rows()),
                genrm=server.model,
                out=tmp_path / "o",
                quiet=True,
            )
        assert server.requests == 24
        (judge,) = found.metrics["judges"]
        assert (judge["kind"], judge["accuracy"], judge["orders"]) == (
            "generative reward model",
            1.0,
            2,
        )
        assert judge["position"]["flipped"]["mean"] == 0
        page = (tmp_path / "o" / "report.html").read_text()
        assert "with the higher score" in page

    def test_bias_nonsense_and_votes_from_a_file(self, tmp_path: Path) -> None:
        rows = [{"prompt": "?", "chosen": "x of 3", "rejected": "y of 3"}, *self.rows(3)]
        rows.append({"prompt": "!", "chosen": "garbled 3", "rejected": "y of 3"})
        with GenrmServer("json", bias=1) as server:
            file = tmp_path / "judge.yaml"
            file.write_text(f"model: {server.model}\nvotes: 2\nhow: pairs\n")
            found = judge_eval(
                self.pairs(tmp_path, rows), genrm=str(file), out=tmp_path / "o", quiet=True
            )
        assert server.requests == 2 * 2 * 5
        (judge,) = found.metrics["judges"]
        assert judge["name"] == "judge"
        assert judge["unreadable"] == 2
        assert judge["position"]["flipped"]["mean"] == 0.25
        assert judge["accuracy"] == (3 + 0.5 + 0.5) / 5

    def test_four_answers_and_ties_have_scores(self, tmp_path: Path) -> None:
        four = {
            "prompt": "?", "chosen": ["a 5"], "rejected": ["b 1", "c 2", "d 4"],
            "num_correct": 1, "num_incorrect": 3, "subset": "Math", "id": "1",
        }  # fmt: skip
        with GenrmServer() as server:
            found = board(
                genrm=server.model,
                data=str(self.pairs(tmp_path, [four])),
                out=tmp_path / "o",
                quiet=True,
            )
        assert server.requests == 4
        assert found.metrics["judges"][0]["accuracy"] == 1.0
