"""Numbers, names, operators and negation: what makes two short texts different ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("rensa")

from gristmill.languages.scripts import western
from gristmill.similarity.minhash import MinHashIndex
from gristmill.similarity.negation import negations
from gristmill.similarity.short import SHORT, digits, numbers, short_signs
from gristmill.similarity.words import words
from likeness import alike

LONG = (
    "In the lesson of last week our teacher told us all this in the old room by the river, and we "
    "wrote it down, word by word, to learn it at home before the next one came. "
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is the value of 5?", "What is the value of -5?"),
        ("It weighs 3.5 kg", "It weighs 35 kg"), ("It costs $5", "It costs €5"),
        ("It grew by 5%", "It grew by 5"), ("Ask GPT-3", "Ask GPT-4"),
        ("Температура -5 градусов", "Температура 5 градусов"),
        ("Цена 3,5 рубля", "Цена 35 рубля"),
        ("درجة الحرارة ٥ مئوية", "درجة الحرارة -٥ مئوية"), ("السعر ٣٫٥", "السعر ٣٥"),
        ("הטמפרטורה היא -5 מעלות", "הטמפרטורה היא 5 מעלות"),
        ("तापमान -५ डिग्री है", "तापमान ५ डिग्री है"), ("मूल्य ३.५ है", "मूल्य ३५ है"),
        ("อุณหภูมิ -๕ องศา", "อุณหภูมิ ๕ องศา"), ("温度是-5度", "温度是5度"),
        ("答えは－５です", "答えは５です"), ("기온은 -5도입니다", "기온은 5도입니다"),
        ("How do I sort in C?", "How do I sort in C++?"),
        ("How do I sort in C#?", "How do I sort in C++?"),
        ("Learn F# now", "Learn F now"), ("Write a .NET program", "Write a net program"),
        ("He got an A+ today.", "He got an A- today."), ("Type O+ blood", "Type O- blood"),
        ("用C++写一个程序", "用C#写一个程序"), ("C言語で書く", "C++言語で書く"),
        ("напиши на C", "напиши на C++"), ("اكتب بلغة C#", "اكتب بلغة C++"),
        ("C# में लिखो", "C में लिखो"), ("เขียนด้วยC++", "เขียนด้วยC"),
        ("Is x + y even?", "Is x - y even?"), ("Compute 7-5", "Compute 7/5"),
        ("a ≠ b", "a = b"), ("true && false", "true || false"), ("A -> B", "A <- B"),
        ("Is speed > limit here", "Is speed < limit here"),
    ],
)  # fmt: skip
def test_short_texts_that_differ_in_one_sign_are_no_duplicates(one: str, other: str) -> None:
    # Alone, at the end of a longer one, and where every word counts for itself.
    assert not alike(one, other, size=1)
    assert not alike(LONG + one, LONG + other)
    assert alike(one, one)


@pytest.mark.parametrize(
    ("yes", "no"),
    [
        ("it is good", "it is not good"), ("it is", "it isn't"), ("one can", "one cannot"),
        ("das ist gut", "das ist nicht gut"), ("er hat Zeit", "er hat keine Zeit"),
        ("c'est bon", "ce n'est pas bon"), ("es bueno", "no es bueno"), ("è vero", "non è vero"),
        ("это хорошо", "это не хорошо"), ("είναι καλό", "δεν είναι καλό"),
        ("هذا جيد", "هذا ليس جيدا"), ("أعرف", "لا أعرف"), ("זה טוב", "זה לא טוב"),
        ("यह अच्छा है", "यह अच्छा नहीं है"), ("এটা ভালো", "এটা ভালো না"),
        ("อาหารอร่อย", "อาหารไม่อร่อย"), ("这是对的", "这不是对的"), ("我去过", "我没去过"),
        ("他已到", "他未到"), ("食べる", "食べない"), ("行きます", "行きません"),
        ("그는 간다", "그는 가지 않는다"), ("지금 가요", "지금 안 가요"),
        ("bu iyi", "bu iyi değil"),
        ("to jest dobre", "to nie jest dobre"), ("ini baik", "ini tidak baik"),
    ],
)  # fmt: skip
def test_a_no_makes_a_short_text_another(yes: str, no: str) -> None:
    assert not alike(LONG + yes, LONG + no)
    assert (negations(yes, words(yes)), negations(no, words(no))) == (0, 1)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Compute 7 - 5", "Compute 7-5"), ("[100,200]", "[100, 200]"), ("x + y = 5", "x+y=5"),
        ("price = 5", "price=5"), ("Wait - what?", "Wait, what?"), ("> quoted", "quoted"),
        ("**C++** is *good*", "C++ is good"), ("C++的程序", "C++ 的程序"),
        ("LEARN C++", "learn c++"),
        ("答えは５です", "答えは5です。"), ("I don’t know", "I don't know"),
        ("at 5 p.m.", "at 5 p.m"),
        ("the well-known man", "the well known man"), ("Is it? No!", "is it, no"),
        ("it isn't so", "It isn't so"), ("a <br> b", "a\n<br>\nb"), ("-5 °C", "−5 °C"),
    ],
)  # fmt: skip
def test_layout_makes_no_other_text(one: str, other: str) -> None:
    assert alike(one, other)


def test_in_long_prose_one_number_or_negation_is_one_word_of_many() -> None:
    text = LONG * 4
    assert len(words(text)) > SHORT
    assert alike(text + "They were 35 in all.", text + "They were 36 in all.")
    assert alike(text + "They were all here.", text + "They were not all here.")
    # Where something is calculated a number is what comes out.
    assert not alike(text + "2 * 3 = 6. They were 35.", text + "2 * 3 = 6. They were 36.")


def test_numbers_have_one_spelling() -> None:
    text = "-5, (−3.5) 1,234,567 25 000 $5 -£7.50 5 % 2024-05-01 x5 .5 v1.2.3 1'000 ３９ ٣٩ ३९ 3–5"
    assert list(numbers(western(text))) == [
        "-5", "-3.5", "1234567", "25000", "$5", "-£7.50", "5%", "2024", "05", "01", "5", ".5",
        "1.2.3", "1000", "39", "39", "39", "3", "5",
    ]  # fmt: skip
    assert list(numbers("1. Take 2.\n2) Take 3.")) == ["2", "3"]


@given(st.text())
def test_no_text_is_too_odd(text: str) -> None:
    assert short_signs(text, words(text)) == short_signs(text, words(text))


@given(
    st.integers(0, 9999),
    st.sampled_from("aя5 ب日क가ไ"),
    st.sampled_from(["", " ", "。", ".", ")"]),
    st.sampled_from(
        ["0123456789", "٠١٢٣٤٥٦٧٨٩", "०१२३४५६७८९", "๐๑๒๓๔๕๖๗๘๙", "０１２３４５６７８９"]
    ),
)
def test_a_number_counts_beside_any_script(n: int, beside: str, end: str, digits: str) -> None:
    def written(number: int) -> str:
        said = "".join(digits[int(d)] for d in str(number))
        return f"{LONG}{beside} {said}{end}{beside if beside != '5' else 'x'}"

    assert alike(written(n), written(n))
    assert not alike(written(n), written(n + 1))


@given(st.text(alphabet="0123456789٣५., -$%\n)ab", max_size=30), st.text(max_size=20))
def test_texts_of_other_digits_have_other_signs(one: str, other: str) -> None:
    for second in (other, one + other, one.replace("3", "٣"), one.replace("5", "५")):
        if short_signs(one, words(one)) == short_signs(second, words(second)):
            assert digits(one) == digits(second)


def test_a_template_filled_with_numbers_makes_no_candidates() -> None:
    index = MinHashIndex()
    for number in range(50):
        index.add(str(number), f"{LONG[:160]} A train leaves at {number} and takes {number * 7} h.")
    asked = index._sketch(f"{LONG[:160]} A train leaves at 60 and takes 420 h.")
    assert asked is not None
    assert not index._short.query(asked.own)
