"""Length, truncation, repetition, refusals and leaked templates, with what must be let through."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.errors import ConfigError
from gristmill.filters.leaked_template import LeakedTemplate
from gristmill.filters.length import Length
from gristmill.filters.refusal import Refusal, _forms
from gristmill.filters.repetition import Repetition
from gristmill.filters.truncated import Truncated
from gristmill.parts import open_part
from gristmill.records import Drop, Response, Sample
from mills import prompt, sample

STORY = (
    "Maria opened the old gate and walked into the garden. It had rained all night, so the grass "
    "was wet and the path had turned to mud. Her brother waited under the apple tree with a basket "
    "in his hand. Neither of them had been here since their grandmother sold the house, ten years "
    "ago, and everything looked smaller than they remembered. The well was still there, though."
)


def reason_of(filter_, text: str, asked: str = "x") -> str:
    said = filter_.reason(prompt(asked), sample(0, text))
    assert isinstance(said, Drop) or said == ""
    return said.reason if isinstance(said, Drop) else ""


class TestLength:
    @pytest.mark.parametrize(
        ("options", "text", "said"),
        [
            ({"min_words": 3}, "two words", Drop("length:short", "2 words, fewest 3")),
            ({"min_words": 3}, "now three words", ""),
            ({"max_words": 2}, "now three, words!", Drop("length:long", "3 words, most 2")),
            ({"min_characters": 5}, "  abcd \n", Drop("length:short", "4 characters, fewest 5")),
            ({"max_characters": 4}, "  abcd \n", ""),
            ({"max_words": 4}, "今天天气很好", Drop("length:long", "6 words, most 4")),
        ],
    )
    def test_bounds_are_inclusive(
        self, options: dict[str, int], text: str, said: str | Drop
    ) -> None:
        assert Length(**options).reason(prompt("x"), sample(0, text)) == said

    def test_it_asks_for_something_that_can_be(self) -> None:
        with pytest.raises(ConfigError, match="name at least one of min_words"):
            open_part("gristmill.filters", "length", "k")
        with pytest.raises(ConfigError, match="min_words 5 is above max_words 4"):
            open_part("gristmill.filters", {"length": {"min_words": 5, "max_words": 4}}, "k")


class TestTruncated:
    @pytest.mark.parametrize("why", ["length", "max_tokens"])
    def test_the_limit_of_tokens_is_a_reason(self, why: str) -> None:
        cut = Sample(0, Response("It goes on and", "m", finish_reason=why))
        said = Truncated().reason(prompt("x"), cut)
        assert said == Drop("truncated", 'limit of tokens, ends "It goes on and"')
        whole = replace(cut, response=Response("It goes on and", "m", finish_reason="stop"))
        assert Truncated().reason(prompt("x"), whole) == ""

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("This is done. And this goes on without", "truncated:sentence"),
            ("First line is whole.\n\n" + "then it goes on and on " * 5, "truncated:sentence"),
            ("一切都很好。然后我们", "truncated:sentence"),
            ("Code:\n```python\nx = 1\n", "truncated:code"),
            ("Code:\n```python\nx = 1\n```", ""),
            ("This is done. And this too.", ""),
            ("What a day! See you 😊", ""),
            ("It is done. (Really.)", ""),
            ("The answer is 42", ""),
            ("Paris", ""),
            ("Roses are red\nViolets are blue\nSugar is sweet\nAnd so are you", ""),
            ("- one thing\n- another. And more of it\n- a third. It has no full stop", ""),
            ("That was it. Read on:\nhttps://example.org/a/b", ""),
            ("A day at the sea. #holiday #sun", ""),
            ("", ""),
        ],
    )
    def test_the_ending_is_looked_at_if_asked(self, text: str, reason: str) -> None:
        assert reason_of(Truncated(ending=True), text) == reason
        assert reason_of(Truncated(), text) == ""


class TestRepetition:
    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            (STORY, ""),
            (STORY + " and the" * 12, "repetition:loop"),
            (STORY + " " + "he said that she said " * 5 + "he said", "repetition:loop"),
            (STORY + " aaaah" + "a" * 40, "repetition:run"),
            (STORY + "哈" * 31, "repetition:run"),
            ("\n".join(["The cat sat on the mat by the door."] * 3 + STORY.split(". ")[:1]), ""),
            ("\n".join(["Glad to help."] * 12 + STORY.split(". ")[:4]),
             "repetition:line"),
            (" ".join(f"the red fox number {n} saw the red fox" for n in range(20)),
             "repetition:top_2"),
            (" ".join(f"{n}: this is one of the most important points" for n in range(20)),
             "repetition:again_5"),
            ("Yes. " * 3, ""),
            ("| --- | --- | --- |\n" * 40 + STORY, ""),
            ("---------------------------------------------------\n" + STORY, ""),
            (STORY + "\n```\n" + "x = 1\n" * 50 + "```", ""),
            ("今天早上我和妹妹一起去公园散步，看到湖边有很多人在钓鱼，还有几个孩子在草地上放风筝。"
             "中午我们在附近的小店吃了面条，老板说他在这里开店二十年了。回家时下起了小雨。", ""),
            ("今天天气很好，我们去公园玩。" * 20, "repetition:loop"),
            ("私は毎朝六時に起きて、公園を走ります。そのあと朝ご飯を食べて、新聞を読みながら電車で"
             "会社へ行きます。昼休みには同僚と近くの店でそばを食べることが多いです。", ""),
        ],
    )  # fmt: skip
    def test_what_repeats_is_told_from_what_does_not(self, text: str, reason: str) -> None:
        assert reason_of(Repetition(), text) == reason

    def test_the_tolerance_moves_all_limits(self) -> None:
        text = STORY + " The well was still there, and so were the grass and the path."
        assert reason_of(Repetition(tolerance=0.2), text)
        assert reason_of(Repetition(tolerance=1), text) == ""

    def test_the_evidence_shows_what_was_repeated_and_how_often(self) -> None:
        said = Repetition().reason(prompt("x"), sample(0, STORY + " and the" * 12))
        assert said == Drop("repetition:loop", 'ends in "and the", 12 times')

    @given(st.text(alphabet="ab \n.今", max_size=400))
    def test_no_text_is_too_odd(self, text: str) -> None:
        reason_of(Repetition(min_words=10), text)


REFUSALS = {
    "en": ["I'm sorry, but I can't help with that.", "I cannot assist with this request.",
           "Unfortunately, I am unable to provide medical advice.",
           "**I'm really sorry you feel this way, but I'm not able to continue.**",
           "As an AI language model, I do not have personal opinions.",
           "I won't generate that kind of content.", "I must respectfully decline.",
           "I’m sorry, but I can’t comply with that request."],
    "de": ["Es tut mir leid, aber dabei kann ich dir nicht helfen.",
           "Leider kann ich diese Anfrage nicht beantworten.",
           "Ich kann dir keine Anleitung dazu geben.",
           "Als KI habe ich keine eigenen Gefühle."],
    "fr": ["Je suis désolé, mais je ne peux pas vous aider.",
           "En tant que modèle de langage, je n'ai pas d'opinion."],
    "es": ["Lo siento, pero no puedo ayudarte con eso.",
           "Como modelo de lenguaje, no tengo opiniones."],
    "it": ["Mi dispiace, ma non posso aiutarti con questo.",
           "Come modello linguistico, non ho opinioni."],
    "pt": ["Desculpe, mas não posso ajudar com isso.",
           "Como modelo de linguagem, não tenho opiniões."],
    "nl": ["Het spijt me, maar daar kan ik je niet mee helpen.",
           "Als taalmodel heb ik geen mening."],
    "pl": ["Przykro mi, ale nie mogę w tym pomóc.",
           "Jako model językowy nie mam własnych opinii."],
    "ru": ["Извините, но я не могу помочь с этим.",
           "Как языковая модель, я не имею мнения."],
    "tr": ["Üzgünüm, bu konuda yardımcı olamam.", "Bir yapay zeka olarak bunu yapamam."],
    "zh": ["很抱歉，我不能提供这方面的帮助。", "作为一个人工智能语言模型，我没有个人观点。"],
    "ja": ["申し訳ありませんが、そのご要望にはお応えできません。",
           "AIとして、個人的な意見を持っていません。"],
    "ko": ["죄송하지만 그 요청은 도와드릴 수 없습니다.", "AI로서 저는 개인적인 의견이 없습니다."],
}  # fmt: skip


class TestRefusal:
    def test_every_language_of_the_file_has_cases_here(self) -> None:
        assert set(REFUSALS) == set(_forms())

    @pytest.mark.parametrize("text", [text for texts in REFUSALS.values() for text in texts])
    def test_refusals_go(self, text: str) -> None:
        assert reason_of(Refusal(), text).startswith("refusal")

    @pytest.mark.parametrize(
        "text",
        [
            '"I can\'t help you," said the wizard. "I\'m sorry, but I cannot do that."',
            "I can't believe how good this soup is. Here is the recipe.",
            "I'm sorry to hear that your dog is ill. Call a vet, and keep her warm until then.",
            "I cannot recommend a better book than this one. It has everything.",
            "Sorry, I misread your question. The answer is 12.",
            "I can help with that! First, open the settings.",
            "No, you cannot provide a null pointer there; the function would crash.",
            "Nobody can help us now, thought the captain.",
            "I can't give legal advice, but here are the general rules for tenants in Ohio: ...",
            "I'm not a doctor, but in general two litres of water a day are enough.",
            "Es tut mir leid zu hören, dass du krank bist. Trink viel Tee.",
            "Ich kann das nicht oft genug sagen: Übung macht den Meister.",
            "Je ne peux pas vivre sans musique, dit-elle en souriant.",
            "我不能没有你，他说。",
            "죄송합니다. 제가 잘못 읽었습니다. 답은 12입니다.",
            "As an AI company, we do not sell data.",
            "Thank you for your letter. Your order will arrive on Monday.",
            "",
        ],
    )
    def test_what_only_sounds_like_one_stays(self, text: str) -> None:
        assert reason_of(Refusal(), text) == ""

    def test_a_long_answer_with_a_cautious_beginning_stays(self) -> None:
        text = REFUSALS["en"][0] + " " + STORY * 3
        assert reason_of(Refusal(max_characters=800), text) == ""
        assert reason_of(Refusal(), text) == "refusal"

    @pytest.mark.parametrize(
        "more",
        [
            "However, here are some tips:",
            "But I can suggest another way.",
            "Instead:\n\n1. Read it.\n2. Ask.",
            "```python\nprint(1)\n```",
        ],
    )
    def test_what_refuses_and_then_helps_is_told_apart(self, more: str) -> None:
        text = f"I cannot provide advice on illegal activities. It is wrong.\n{more}"
        assert reason_of(Refusal(), text) == "refusal:partial"
        assert reason_of(Refusal(partial=False), text) == ""

    @pytest.mark.parametrize(
        "text",
        [
            "I'm happy to help! However, I must point out that it is bad. I cannot provide it.",
            "I'm just an AI, it's not within my programming to provide instructions on that.",
            "It's not appropriate or ethical to provide information about such things.",
            "As a responsible assistant, I cannot encourage that.",
        ],
    )
    def test_a_refusal_may_have_a_long_beginning(self, text: str) -> None:
        assert reason_of(Refusal(), text) == "refusal"

    @pytest.mark.parametrize(("model", "found"), [("gpt4", 0.9), ("llama2orig", 0.85)])
    def test_people_call_the_same_a_refusal(
        self, shared_data: Path, model: str, found: float
    ) -> None:
        with (shared_data / "xstest" / f"completions_{model}.csv").open(encoding="utf-8") as file:
            answers = list(csv.DictReader(file))
        full = [a["completion"] for a in answers if a["final_label"] == "2_full_refusal"]
        none = [a["completion"] for a in answers if a["final_label"] == "1_full_compliance"]
        right, wrong = (
            sum(reason_of(Refusal(), text) in ("refusal", "refusal:as_a_model") for text in texts)
            for texts in (full, none)
        )
        assert right / len(full) >= found and right / (right + wrong) >= 0.97

    def test_an_appeal_to_being_a_model_is_named_and_may_stay(self) -> None:
        text = REFUSALS["en"][4]
        assert reason_of(Refusal(), text) == "refusal:as_a_model"
        assert reason_of(Refusal(disclaimers=False), text) == ""
        assert reason_of(Refusal(disclaimers=False), REFUSALS["en"][0]) == "refusal"

    @given(st.text(alphabet="I'm sorry but cannt help. ,", max_size=800))
    def test_no_text_is_too_odd(self, text: str) -> None:
        reason_of(Refusal(), text)


class TestLeakedTemplate:
    @pytest.mark.parametrize(
        ("text", "kind"),
        [
            ("Fine.<|im_end|>\n<|im_start|>user\nMore", "token"),
            ("Fine.</s>", "token"),
            ("Fine.\n<extra_id_1>User\nMore", "token"),
            ("[INST] What? [/INST]", "token"),
            ("<｜begin▁of▁sentence｜>Hi", "token"),
            ("Done.\n\n### Instruction:\nWrite more", "heading"),
            ("Done.\nHuman: And now?", "heading"),
            ("Write about {{ topic }} in two lines.", "blank"),
            ("Answer the {question} well.", "blank"),
            ("See [insert link] for more.", "blank"),
            ("Here is a revised version of the question: Why?", "preface"),
            ("Sure! Here's a more complex version of the prompt:\n\nWhy?", "preface"),
            ("As requested, here are five tasks.", "preface"),
            ("#Rewritten Prompt#: Why?", "preface"),
        ],
    )
    def test_what_leaked_goes(self, text: str, kind: str) -> None:
        assert reason_of(LeakedTemplate(), text) == f"leaked_template:{kind}"

    @pytest.mark.parametrize(
        "text",
        [
            "Use Jinja:\n```\n{{ topic }} {% if x %}\n```\nand `{question}`.",
            "A set {a, b} and {n \\in N}; also \\frac{n}{2}, x^{n}, x_{n}, ${n}.",
            "Dear Mr Smith,\n...\nYours,\n[Your Name]",
            "The assistant: a short history. A human: being.",
            "### Instructions for the kitchen\nWash your hands.",
            "See [your account](https://example.org).",
            "Here is the recipe:\n1. Boil water.",
            "Here are some questions to ask: Why? How?",
            "Use <s>struck</s> and <b>bold</b> text.",
            "",
        ],
    )
    def test_what_only_looks_like_it_stays(self, text: str) -> None:
        assert reason_of(LeakedTemplate(), text) == ""

    def test_what_the_prompt_has_itself_or_asks_for_is_let_through(self) -> None:
        text = "It marks a turn: <|im_start|>user. Also {{ name }}."
        assert reason_of(LeakedTemplate(), text, "What is <|im_start|>?").endswith("blank")
        asked = "What is <|im_start|>, in a template?"
        assert reason_of(LeakedTemplate(), text, asked) == ""
        assert reason_of(LeakedTemplate(blanks=False), "Dear {{ name }}") == ""

    def test_prompts_are_looked_at_if_asked(self) -> None:
        asked = "Here is a refined version of the question: Why?"
        assert reason_of(LeakedTemplate(of="both"), "Because.", asked) == "leaked_template:preface"
        assert reason_of(LeakedTemplate(), "Because.", asked) == ""
