"""In what language a response is, and in which it should be."""

# ruff: noqa: E501 - letters of double width count twice
from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("lingua")

from gristmill.errors import ConfigError
from gristmill.filters._texts import response_of
from gristmill.filters.language import Language
from gristmill.languages import LANGUAGES
from gristmill.languages.detect import DETECTED, detect
from gristmill.parts import open_part
from gristmill.records import Drop
from mills import prompt, sample

ENGLISH = (
    "The harbour was quiet in the morning, and the fishermen had already left with their boats. "
    "Only the gulls were looking for something to eat between the empty boxes on the quay."
)
GERMAN = (
    "Der Hafen war am Morgen still, und die Fischer waren schon mit ihren Booten hinausgefahren. "
    "Nur die Möwen suchten zwischen den leeren Kisten am Kai nach etwas zu fressen."
)
FRENCH = (
    "Le port était calme le matin, et les pêcheurs étaient déjà partis avec leurs bateaux. "
    "Seules les mouettes cherchaient quelque chose à manger entre les caisses vides du quai."
)
CHINESE = "早上的港口很安静，渔民们已经开着船出海了，只有海鸥在码头的空箱子之间寻找食物。"


def reason(filter_: Language, asked: str, said: str, language: str | None = None) -> str:
    given = filter_.reason(replace(prompt(asked), language=language), sample(0, said))
    return given if isinstance(given, str) else given.reason


@pytest.mark.parametrize("expect", ["de", ["German"], ["fr", "deutsch"]])
def test_expected_languages_pass_and_others_do_not(expect: str | list[str]) -> None:
    wanted = open_part("gristmill.filters", {"language": {"expect": expect}}, "keep[0]")
    assert reason(wanted, "x", GERMAN) == ""
    assert reason(wanted, "x", ENGLISH) == "language:en"
    assert reason(wanted, "x", CHINESE) == "language:zh"


def test_the_evidence_says_what_was_found_how_surely_and_what_was_wanted() -> None:
    said = Language(expect=("en", "fr")).reason(prompt("x"), sample(0, GERMAN))
    assert isinstance(said, Drop)
    assert said.evidence == "German (1.00), wanted English or French"


def test_the_language_of_the_prompts_row_counts_and_else_that_of_its_text() -> None:
    assert reason(Language(), "x", ENGLISH, language="German") == "language:en"
    assert reason(Language(), ENGLISH, GERMAN, language="de-AT") == ""
    assert reason(Language(), ENGLISH, GERMAN) == "language:de"
    assert reason(Language(), GERMAN, GERMAN) == ""
    assert reason(Language(), "Why?", GERMAN) == ""
    assert reason(Language(), ENGLISH, GERMAN, language="Klingon") == "language:de"


@pytest.mark.parametrize("name", ["German", "Deutsch", "german"])
def test_a_language_that_the_prompt_names_may_be_answered_in(name: str) -> None:
    assert reason(Language(), f"Translate this into {name}: {ENGLISH}", GERMAN) == ""
    assert reason(Language(), f"Translate this into {name}: {ENGLISH}", FRENCH) == "language:fr"


@pytest.mark.parametrize(
    "said",
    [
        "",
        "42",
        "Oui, bien sûr.",
        "```python\n" + "\n".join(f"werte_{i} = liste.sortiere()" for i in range(30)) + "\n```",
        "https://www.beispiel.de/der/hafen/war/am/morgen/still/und/die/fischer/waren/schon/weg",
        "`der_hafen_war_am_morgen_still_und_die_fischer_waren_schon_weg_und_nur_die_moewen_da`",
        "3.1415 2.7182 " * 40,
    ],
)
def test_what_is_short_or_code_or_no_prose_passes(said: str) -> None:
    assert reason(Language(expect=("en",)), "x", said) == ""


NAMES = (
    "Johann Sebastian Bach, Wolfgang Amadeus Mozart, Ludwig van Beethoven, Franz Schubert, "
    "Johannes Brahms, Robert Schumann"
)
PROGRAM = (
    "def largest_number(numbers):\n"
    '    """Return the largest number of a list that is not empty."""\n'
    "    largest = numbers[0]\n"
    "    # Look at each of the other numbers in the list.\n"
    "    for number in numbers[1:]:\n"
    "        if number > largest:\n"
    "            largest = number\n"
    "    return largest"
)
QUERY = (
    "const harbour = document.querySelector('.harbour');\n"
    "function showTheBoats(boats) {\n"
    "  // every boat that left this morning\n"
    "  return boats.filter((boat) => boat.left).map((boat) => boat.name);\n"
    "}"
)
FORMULA = (
    "operatorname{exsec}(\\theta) = \\operatorname{sec}(\\theta) - 1 = \\frac{1}{\\cos(\\theta)} - 1 "
    "= \\frac{2}{e^{i\\theta} + e^{-i\\theta}} - 1"
)


@pytest.mark.parametrize("expect", ["en", "de", "ru", "ar", "hi", "th", "zh", "ja", "ko", "he"])
@pytest.mark.parametrize(
    "said", ["42", "Paris", "Москва", "東京", "Schmetterling", NAMES, PROGRAM, QUERY, FORMULA]
)
def test_names_code_numbers_formulas_and_single_words_do_not_decide(expect: str, said: str) -> None:
    assert reason(Language(expect=(expect,)), "x", said) == ""


@pytest.mark.parametrize(
    ("expect", "said"),
    [
        ("th", "การทำ Continuous Integration ด้วย GitHub Actions และ Docker Compose ช่วยให้ทีมส่งงานเร็วขึ้น"),
        ("zh", "我们用 Kubernetes 和 Docker Compose 部署 FastAPI 服务，并用 GitHub Actions 做持续集成。"),
        ("ja", "Machine Learning の Deep Neural Network は、Gradient Descent で学習させるモデルです。"),
        ("ko", "Kubernetes Deployment 와 GitHub Actions Workflow 를 사용하면 배포가 훨씬 쉬워집니다."),
        ("ru", "Мы используем Kubernetes и Docker Compose, а ещё GitHub Actions для сборки сервиса."),
        ("ar", "نستخدم Kubernetes و Docker Compose مع GitHub Actions لنشر الخدمة على الخادم كل يوم."),
        ("he", "אנחנו משתמשים ב Kubernetes וב Docker Compose עם GitHub Actions כדי להעלות את השירות."),
        ("hi", "हम Kubernetes और Docker Compose के साथ GitHub Actions से अपनी सेवा हर दिन चलाते हैं।"),
        ("de", "Wir nutzen Continuous Integration, Machine Learning und Feature Flags für den Dienst."),
    ],
)  # fmt: skip
def test_terms_of_another_language_do_not_decide(expect: str, said: str) -> None:
    assert reason(Language(expect=(expect,), min_letters=20), "x", said) == ""


def test_a_text_with_some_code_and_names_is_still_seen() -> None:
    mixed = f"{GERMAN}\n\nwerte = liste.sortiere()\n\n{GERMAN} Johann Sebastian Bach war dort."
    assert reason(Language(expect=("en",)), "x", mixed) == "language:de"
    assert reason(Language(expect=("zh",)), "x", f"{ENGLISH} 港口") == "language:en"
    assert reason(Language(expect=("th",)), "x", ENGLISH) == "language:en"
    assert reason(Language(expect=("ja",)), "x", CHINESE * 2) == "language:zh"


def test_serbian_may_be_written_in_latin_letters() -> None:
    latin = "Danas je lepo vreme i svi smo otišli u park gde je bilo mnogo dece i roditelja."
    assert reason(Language(expect=("sr",)), "x", latin) == ""


def test_an_answer_that_changes_its_language_is_seen() -> None:
    assert reason(Language(expect=("en",)), "x", ENGLISH + "\n\n" + GERMAN * 8) == "language:de"


def test_both_looks_at_the_prompt_where_it_is_known_what_it_should_be() -> None:
    both = Language(of="both", expect=("de",))
    assert reason(both, GERMAN, GERMAN) == ""
    assert reason(both, ENGLISH, GERMAN) == "language:en"
    assert reason(Language(of="both"), ENGLISH, ENGLISH) == ""


def test_what_cannot_be_told_passes() -> None:
    assert "gl" not in DETECTED
    galician = "Hoxe fai moi bo tempo e fomos todos pasear polo parque, onde había moita xente."
    assert reason(Language(), "x", galician, language="gl") == ""


def test_languages_that_are_alike_count_as_one() -> None:
    bosnian = (
        "Danas je lijepo vrijeme i svi smo otišli u park gdje je bilo mnogo djece i roditelja."
    )
    assert reason(Language(expect=("bs",)), "x", bosnian) == ""
    assert reason(Language(expect=("hr",)), "x", bosnian) == ""


def test_a_wrong_name_is_told_the_right_one() -> None:
    with pytest.raises(ConfigError, match=r"language.expect: unknown language 'Germn'.*'German'"):
        open_part("gristmill.filters", {"language": {"expect": "Germn"}}, "keep[0]")


def test_half_surrogates_and_odd_texts_do_no_harm() -> None:
    for said in ("\ud800" * 100, "\x00" * 100, "ا" * 500, "🙂" * 200, GERMAN + "\udfff"):
        reason(Language(), ENGLISH, said)
        assert response_of(sample(0, said)) == said


def test_three_sentences_of_each_of_77_languages_are_told_apart() -> None:
    beside = Path(__file__).parents[3] / "shared" / "data"
    path = Path(os.environ.get("GRISTMILL_DATA", beside)) / "lingua" / "sentences.tsv"
    if not path.is_file():
        pytest.skip(f"no {path}")
    by: dict[str, list[str]] = defaultdict(list)
    for line in path.read_text(encoding="utf-8").splitlines():
        code, text = line.split("\t", 1)
        if code in LANGUAGES and code in DETECTED:
            by[code].append(text)
    assert len(by) == 77
    dropped = total = 0
    for code, texts in by.items():
        filter_ = Language(expect=(code,))
        for at in range(0, len(texts) - 2, 3):
            total += 1
            dropped += reason(filter_, "x", " ".join(texts[at : at + 3])) != ""
    assert dropped / total < 0.01
    assert detect(ENGLISH) == ("en", pytest.approx(1, abs=0.01))
