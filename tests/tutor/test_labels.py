"""Labels follow their stated rules and HelpSteer2's format."""

import random

from gristmill.records import ATTRIBUTES
from gristmill.tutor import QUALITIES, answer, helpsteer2_rows, labels, parse_question
from gristmill.tutor import questions as ask

CARD = (0.3, 0.74, 0.46, 0.47, -0.33)
SUM = parse_question("What is 47 plus 38?")
assert SUM is not None
STEPS = "47 plus 38: 40 plus 30 is 70. 7 plus 8 is 15. 70 plus 15 is 85."


def test_the_stated_rules():
    assert labels(SUM, f"{STEPS} The answer is 85.") == (4, 4, 4, 3, 2)
    assert labels(SUM, "85.") == (3, 4, 4, 0, 0)
    assert labels(SUM, STEPS)[:4] == (2, 2, 4, 3)
    assert labels(SUM, f"{STEPS} The answer is 86.")[:4] == (1, 1, 4, 3)
    assert labels(SUM, "84.") == (1, 0, 4, 0, 0)
    assert labels(SUM, "The sky is blue today.")[:4] == (0, 0, 4, 0)
    assert labels(SUM, "xq zw vv kk")[:3] == (0, 0, 0)
    assert labels(SUM, "47 plus 38: 40 plus 30 is 70. 7 plus")[2] == 2
    filler = "We go step by step. I hope this helps."
    assert labels(SUM, f"{filler} {STEPS} The answer is 85.")[:2] == (3, 4)
    assert labels(SUM, "") == (0, 0, 0, 0, 0)


def test_right_outweighs_wrong_by_the_cards_scalar():
    rng = random.Random(0)
    for question in ask(400, 1, held_out=False):
        scores = {True: [], False: []}
        for quality in QUALITIES:
            five = labels(question, answer(question, quality, rng))
            scores[five.correctness == 4].append(sum(map(float.__mul__, CARD, map(float, five))))
        assert min(scores[True]) > max(scores[False])


def test_rows_are_helpsteer2s():
    rows = list(helpsteer2_rows(101, 0))
    assert len(rows) == 101
    assert list(rows[0]) == ["prompt", "response", *ATTRIBUTES]
    assert rows[0]["prompt"] == rows[1]["prompt"] != rows[2]["prompt"]
    assert all(row[a] in range(5) for row in rows for a in ATTRIBUTES)
    assert rows == list(helpsteer2_rows(101, 0))
    assert rows != list(helpsteer2_rows(101, 1))
