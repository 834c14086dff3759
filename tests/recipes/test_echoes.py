"""Weak models: what only repeats the request, its examples or another item is no item."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.recipes._replies import says, squeezed
from gristmill.recipes._request import Request
from gristmill.recipes._templates import SHARED_VARIABLES, Templates
from messy import Messy
from written import recipe_of, write

TEMPLATES = {
    "English": (
        'Write {{ count }} problems of mathematics on "{{ topic }}" for a beginner. Each takes one '
        "or two steps and has one answer that can be checked.\n\nExamples:\n- Bees\n- Old clocks"
    ),
    "Russian": (
        "Напиши {{ count }} задачи по математике на тему «{{ topic }}» для начинающих. Каждая "
        "решается в один или два шага и имеет один проверяемый ответ.\n\nПримеры:\n- Пчёлы"
    ),
    "Arabic": (
        "اكتب {{ count }} مسائل في الرياضيات حول «{{ topic }}» للمبتدئين. تحل كل مسألة في خطوة أو "
        "خطوتين ولها جواب واحد يمكن التحقق منه.\n\nأمثلة:\n- النحل"
    ),
    "Hindi": (
        "शुरुआती लोगों के लिए \"{{ topic }}\" पर गणित के {{ count }} प्रश्न लिखो। हर प्रश्न एक या दो चरणों "
        "में हल हो और उसका एक ही उत्तर हो।\n\nउदाहरण:\n- मधुमक्खी"
    ),
    "Thai": (
        "เขียนโจทย์คณิตศาสตร์ {{ count }} ข้อเกี่ยวกับ \"{{ topic }}\" สำหรับผู้เริ่มต้น แต่ละข้อทำได้ในหนึ่งหรือสองขั้นตอน "
        "และมีคำตอบเดียวที่ตรวจสอบได้\n\nตัวอย่าง:\n- ผึ้ง"
    ),
    "Chinese": (
        "为初学者写出{{ count }}道关于“{{ topic }}”的数学题。每道题只需要一两个步骤,并且只有一个可以检验的答案。"
        "\n\n例子:\n- 蜜蜂"
    ),
    "Japanese": (
        "初心者のために「{{ topic }}」についての数学の問題を{{ count }}つ書いてください。どの問題も一つか二つの段階で解け、"
        "答えは一つです。\n\n例:\n- ミツバチ"
    ),
    "Korean": (
        '초보자를 위해 "{{ topic }}"에 관한 수학 문제 {{ count }}개를 써 주세요. 각 문제는 한두 단계로 풀 수 있고 '
        "확인할 수 있는 답이 하나 있어야 합니다.\n\n예:\n- 꿀벌"
    ),
}  # fmt: skip
# ruff: noqa: E501 - letters of double width count twice
ITEMS = {
    "English": ("Fractions", "A cake is cut into 8 pieces and 3 are eaten. How much is left?"),
    "Russian": ("Дроби", "Торт разрезали на 8 кусков, 3 съели. Какая часть торта осталась?"),
    "Arabic": ("الكسور", "قطعت كعكة إلى 8 قطع وأكلت منها 3. كم بقي من الكعكة؟"),
    "Hindi": ("भिन्न", "एक केक के 8 टुकड़े किए गए और 3 खा लिए गए। कितना केक बचा?"),
    "Thai": ("เศษส่วน", "เค้กก้อนหนึ่งตัดเป็น 8 ชิ้น กินไป 3 ชิ้น เหลือเค้กเท่าไร"),
    "Chinese": ("分数", "一个蛋糕切成8块,吃掉了3块,还剩下多少?"),
    "Japanese": ("分数", "ケーキを8つに切り、3つ食べました。残りはどれだけですか。"),
    "Korean": ("분수", "케이크를 8조각으로 잘라 3조각을 먹었다. 얼마나 남았는가?"),
}


def asked(language: str, folder: Path) -> Request:
    (folder / "problems.md").write_text(TEMPLATES[language], encoding="utf-8")
    variables = {**SHARED_VARIABLES, "problems": frozenset({"topic"})}
    templates = Templates("math", variables, folder)
    told = {"topic": ITEMS[language][0], "count": 2, "language": language, "persona": ""}
    text = templates.text("problems", **told)
    return Request(text, partial(templates.marked, "problems", **told))


@pytest.mark.parametrize("language", TEMPLATES)
def test_what_says_the_request_again_is_an_echo_in_any_script(
    language: str, tmp_path: Path
) -> None:
    request = asked(language, tmp_path)
    line, _, examples = request.text.partition("\n\n")
    example = examples.splitlines()[-1].removeprefix("- ")
    first, second = re.split(r"(?<=[.。।])\s*|(?<=ต้น) ", line, maxsplit=1)
    for echo in (
        line,
        first,
        second,
        first.replace("2", "15"),
        first.upper(),
        f"**{first.rstrip('.。।')}**",
        f"Here are 2: {second}",
        example,
        f"{example}.",
    ):
        assert request.echoed(echo), echo
    assert request.gave(ITEMS[language][0])


@pytest.mark.parametrize("language", TEMPLATES)
def test_a_problem_on_the_topic_is_none(language: str, tmp_path: Path) -> None:
    request = asked(language, tmp_path)
    topic, item = ITEMS[language]
    for text in (item, f"{topic}: {item}", f"{item} ({topic})", "Mathematics", "42", ""):
        assert not request.echoed(text), text
        assert not request.gave(text), text


def of(template: str, recipe: str = "open_qa", **told: Any) -> Request:
    templates = recipe_of(recipe).open_templates()
    told = {"language": "English", "persona": "", "count": 3, "known": [], **told}
    marked = partial(templates.marked, template, **told)
    return Request(templates.text(template, **told), marked)


@pytest.mark.parametrize(
    "text", ["<draft>", "A. <draft>\nB. <draft>", "</task>", "2", "1. <a> 2. 3.", "-"]
)
def test_a_tag_or_a_number_says_nothing(text: str) -> None:
    assert not says(text)


@pytest.mark.parametrize("text", ["茶", "C", "12 × 7 = ?", "Is 3 < 5 > 2?", "<b> in HTML", "A"])
def test_a_word_or_a_sum_does(text: str) -> None:
    assert says(text)


def test_short_items_may_share_words_with_the_request() -> None:
    topics = of("topics", "math", level="high school")
    for text in ("Mathematics", "Topics of mathematics", "High school algebra", "1. Geometry"):
        assert not topics.echoed(text)
    on = of("subtopics", topic="How to brew a pour-over coffee at home", level="x")
    assert not on.echoed("How to brew a pour-over coffee at home with hard water")
    assert on.gave("how to brew a pour-over coffee at home.")


def test_a_text_that_quotes_what_it_was_given_is_one_and_the_request_is_none() -> None:
    draft = "Two trains leave at noon, one of them at 80 km/h. " * 8
    request = of("refined", topic="Trains", draft=draft)
    assert not request.echoed(draft)
    assert not request.echoed(f"{draft} When do they meet, if the other one is slower by half?")
    assert request.echoed(request.text)
    assert request.echoed(request.text.replace("question", "problem"))


def test_marks_are_no_part_of_what_is_asked() -> None:
    request = of("questions", topic="Bees", known=["What is wax?", "Do bees sleep?"])
    assert "\ufdd0" not in request.text
    assert request.mark().translate({0xFDD0: None, 0xFDD1: None}) == request.text
    assert request.mark().count("\ufdd0") == 3


LIST = of("questions", topic="Bees")
OWN = re.sub(r'"Bees"', " ", LIST.text).split()


@given(st.integers(0, len(OWN) - 12), st.integers(8, 40), st.sampled_from(["", "1. ", "- ", "**"]))
def test_any_part_of_the_request_is_an_echo(start: int, size: int, mark: str) -> None:
    assert LIST.echoed(f"{mark}{' '.join(OWN[start : start + size])}")


@given(st.text(), st.lists(st.sampled_from(["queen", "7", "蜂", "мёд", "قرص", "रानी", "+"])))
def test_other_words_are_none(text: str, found: list[str]) -> None:
    assert not LIST.echoed(" ".join(found))
    LIST.echoed(text)
    squeezed(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1. **Do bees sleep?**", "do bees  sleep"),
        ("«Спят ли пчёлы?»", "Спят ли пчёлы"),
        ("请问,蜜蜂睡觉吗？", "请问,蜜蜂睡觉吗"),
        ("هل ينام النحل؟", "هل ينام النحل"),
        ("मधुमक्खियाँ सोती हैं।", "मधुमक्खियाँ सोती हैं"),
        ("¿Duermen las abejas?", "duermen las abejas"),
    ],
)
def test_case_numbers_and_punctuation_make_no_other_item(one: str, other: str) -> None:
    assert squeezed(one) == squeezed(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("C", "C++"), ("C", "C#"), ("NET", ".NET"), ("What is 5?", "What is -5?"),
        ("What is 5?", "What is 5!?"), ("2 * 3", "2 ** 3"), ("What is 1.5?", "What is 15?"),
        ("What is 3 + 2?", "What is 3 - 2?"), ("What is x²?", "What is x2?"),
    ],
)  # fmt: skip
def test_signs_that_mean_something_do(one: str, other: str) -> None:
    assert squeezed(one) != squeezed(other)


class Weak(Messy):
    """As `Messy`, but its first reply to each request repeats it: the weak model's way."""

    def _list(self, random: Any, count: int, short: bool) -> Any:
        found = super()._list(random, count, short)
        return self._echo() if self.asked[self.request] == 1 else found

    def _text(self, random: Any) -> Any:
        return self._echo() if self.asked[self.request] == 1 else super()._text(random)

    def __call__(self, messages: list[dict[str, Any]], index: int, seed: int) -> Any:
        self.request = messages[-1]["content"]
        return super().__call__(messages, index, seed)

    def _echo(self) -> str:
        lines = re.split(r"(?<=[.:])\s+", self.request)
        told = [line for line in lines if line[:5] in ("Name ", "Write", "Rewri", "Each ", "Descr")]
        return "\n".join(f"{n}. {line}" for n, line in enumerate(told or lines, 1))


OWNS: dict[str, dict[str, Any]] = {
    "open_qa": {}, "writing": {}, "math": {}, "coding": {},
    "closed_qa": {"documents": "docs"},
    "evolve": {"seeds": "seeds.jsonl"}, "self_instruct": {"seeds": "seeds.jsonl"},
    "two_turn": {"seeds": "seeds.jsonl"}, "dialogue": {"seeds": "seeds.jsonl"},
    "instructions": {"seeds": "seeds.jsonl", "later": 1.0},
}  # fmt: skip


@pytest.mark.parametrize("name", OWNS)
def test_every_recipe_drops_echoes_counts_them_and_asks_again(name: str, tmp_path: Path) -> None:
    seeds = (f'{{"prompt": "Describe the {n}th moon of planet {n * 7}."}}\n' for n in range(20))
    (tmp_path / "seeds.jsonl").write_text("".join(seeds))
    (tmp_path / "docs").mkdir()
    for n in range(5):
        (tmp_path / "docs" / f"{n}.txt").write_text(f"Planet {n} has {n} moons, and nobody on it.")
    recipe = recipe_of(name, **OWNS[name], personas=2).located(tmp_path)
    written = write(recipe, 10, model=Weak(lists=["numbered"], texts=["plain"]))
    assert len(written.rows) == 10
    stages = written.report.stages
    assert sum(stage.echoed for stage in stages.values()) > 0
    assert stages["persona"].echoed > 0
    for row in written.rows:
        text = row["lineage"][-1]["text"]
        assert not re.match(
            r"Write (\d|it|the user)|Rewrite|Name \d|Each (can|is|takes|gives)", text
        )
    assert "of the request" in written.report.lost()
