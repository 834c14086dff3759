"""Personal data is found, hidden in the evidence, and masked; what only looks like it stays."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.errors import ConfigError
from gristmill.filters._patterns import FINDERS, find
from gristmill.filters.personal_data import PersonalData
from gristmill.parts import open_part
from gristmill.records import Drop, Response, Sample, ToolCall
from mills import prompt, sample

EVERY = frozenset(FINDERS)
FOUND = {
    "email": ["jane.doe@gmail.com", "user+tag@sub.mail.co.uk"],
    "phone": ["+49 30 1234987", "+44 (0)20 7946 0958", "(212) 736-5000", "212-736-5001",
              "0049 170 4412345", "+1-415-736-5000"],
    "iban": ["DE44 5001 0517 5407 3249 31", "GB33BUKB20201555555555", "NO8330001234567"],
    "card": ["4539 1488 0343 6467", "4539148803436467", "6011-0009-9013-9432"],
    "ip": ["81.2.69.142", "2a00:1450:4001:81b::200e"],
    "ssn": ["536-90-4399"],
    # Made in two parts, so that no scanner of secrets takes this file for a leak.
    "key": ["AKIA" + "J7Q3LN5PXV2MD4RT", "ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a",
            "sk-proj-" + "abcD3fGh1jklMn0pQrstuvwx",
            "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----"],
}  # fmt: skip


@pytest.mark.parametrize(("kind", "text"), [(k, t) for k, texts in FOUND.items() for t in texts])
def test_it_is_found_whole_in_a_sentence(kind: str, text: str) -> None:
    (datum,) = find(f"It is {text}, he said.", EVERY)
    assert (datum.kind, datum.text) == (kind, text)
    (bare,) = find(text, EVERY)
    assert bare.text == text


@pytest.mark.parametrize("text", ["Tel.: 030/8972345", "call me at 555 8972", "电话：13912345678"])
def test_a_number_after_a_word_for_telephone_is_one(text: str) -> None:
    assert [datum.kind for datum in find(text, EVERY)] == ["phone"]


@pytest.mark.parametrize(
    "text",
    [
        "me@example.com", "info@company.com", "me@my.test", "@user hello", "python@3.11",
        "(555) 555-0142", "555-0199", "call 3 times 100", "phone 2",
        "5+12345678901", "1998-2005-2010", "2024-01-02 10:20:30", "12:30:45",
        "192.168.1.1", "127.0.0.1", "203.0.113.7", "2001:db8::1", "8.8.8.8", "version 4.12.100.3",
        "a[1::2]", "std::vector", "::1",
        "4111 1111 1111 1111", "4539 1488 0343 6468", "1234 5678 9012 3456", "3141592653589793",
        "1,234,567.89", "3.14159265358979", "x = 1234567890123",
        "DE44 5001 0517 5407 3249 32", "DE89370400440532013000", "XX44 5001 0517 5407 3249 31",
        "078-05-1120", "000-12-3456", "666-12-3456", "900-12-3456", "10-20-3000",
        "ISBN 978-3-16-148410-0", "uuid 123e4567-e89b-12d3-a456-426614174000",
        "sk-your-api-key-goes-here-1234", "AKIA" + "IOSFODNN7EXAMPLE", "sk-learn-is-a-python-lib",
    ],
)  # fmt: skip
def test_what_only_looks_like_it_is_let_through(text: str) -> None:
    assert find(f"It is {text}.", EVERY) == []
    assert find(text, EVERY) == []


def test_it_is_dropped_and_the_evidence_does_not_repeat_it() -> None:
    for kind, texts in FOUND.items():
        for text in texts:
            said = PersonalData().reason(prompt("x"), sample(0, f"It is {text}."))
            assert isinstance(said, Drop)
            assert said.reason == f"personal_data:{kind}"
            assert text not in said.evidence
            assert not set(text.split("@")) & set(said.evidence.split())
    said = PersonalData().reason(prompt("x"), sample(0, "a.b@web.de, c@gmx.de, +49 30 1234987"))
    assert said == Drop("personal_data:email", "in the response: email a***@…, 1 more email, "
                        "1 more phone")  # fmt: skip


def test_it_is_masked_and_the_rest_is_left_as_it_is() -> None:
    mask = PersonalData(action="mask")
    text = "Write to jane@gmail.com\nor (212) 736-5000; IBAN: DE44 5001 0517 5407 3249 31 BANK"
    assert mask.reason(prompt("x"), sample(0, text)) == ""
    assert mask.change(prompt("x"), sample(0, text)) == (
        "Write to [EMAIL]\nor [PHONE]; IBAN: [IBAN] BANK"
    )
    assert mask.change(prompt("x"), sample(0, "Nothing here.")) is None
    assert PersonalData().change(prompt("x"), sample(0, text)) is None


@pytest.mark.parametrize("action", ["drop", "mask"])
@pytest.mark.parametrize(
    ("place", "beside"),
    [
        ("thought", {"reasoning": "He is jane@gmail.com."}),
        ("call", {"tool_calls": (ToolCall("mail", '{"to": ["jane@gmail.com"]}'),)}),
    ],
)
def test_what_goes_out_beside_the_answer_is_looked_at_with_it(
    action: str, place: str, beside: dict[str, Any]
) -> None:
    said = Sample(0, Response("Done.", "m", **beside))
    dropped = PersonalData.model_validate({"action": action}).reason(prompt("x"), said)
    assert dropped == Drop("personal_data:email", f"in the {place}: email j***@…")
    assert PersonalData(of="prompt").reason(prompt("x"), said) == ""


def test_kinds_and_places_are_as_asked() -> None:
    said = sample(0, "jane@gmail.com")
    assert PersonalData(kinds=("phone",)).reason(prompt("x"), said) == ""
    assert PersonalData(of="prompt").reason(prompt("x"), said) == ""
    asked = prompt("I am jane@gmail.com")
    assert PersonalData().reason(asked, sample(0, "Hello")) == ""
    both = PersonalData(of="both").reason(asked, sample(0, "Hello"))
    assert both == Drop("personal_data:email", "in the prompt: email j***@…")
    with pytest.raises(ConfigError, match="changes responses only"):
        open_part("gristmill.filters", {"personal_data": {"action": "mask", "of": "both"}}, "k")


@given(st.text(alphabet="0123456789 +-().@:aDE\n", max_size=300))
def test_masking_leaves_nothing_to_mask(text: str) -> None:
    mask = PersonalData(action="mask")
    masked = mask.change(prompt("x"), sample(0, text))
    if masked is not None:
        assert len(find(masked, EVERY)) < max(1, len(find(text, EVERY)))


@pytest.mark.parametrize(
    "piece", ["1", "1.", "a@", "1:", "+1 ", "A1", "eyJ", "sk-a", "(1)", "tel "]
)
def test_long_texts_take_no_longer_than_they_must(piece: str) -> None:
    find(piece * 20000, EVERY)


BESIDE = {
    "Chinese": ("请写信给", "谢谢"),
    "Japanese": ("連絡先は", "です"),
    "Thai": ("ติดต่อ", "ได้"),
    "Korean": ("연락처는", "입니다"),
    "Arabic": ("اتصل", "الآن"),
    "Devanagari": ("संपर्क", "करें"),
}


@pytest.mark.parametrize("script", BESIDE)
@pytest.mark.parametrize(("kind", "text"), [(k, texts[0]) for k, texts in FOUND.items()])
def test_it_is_found_where_letters_without_spaces_touch_it(
    script: str, kind: str, text: str
) -> None:
    before, after = BESIDE[script]
    said = f"{before}{text}{after}"
    (datum,) = find(said, EVERY)
    assert (datum.kind, datum.text, datum.start) == (kind, text, len(before))
    mask = PersonalData(action="mask")
    assert mask.change(prompt("x"), sample(0, said)) == f"{before}[{kind.upper()}]{after}"


def test_digits_of_full_width_are_digits() -> None:
    (datum,) = find("电话是１３９６８５２７４１３。", EVERY)
    assert (datum.kind, datum.text) == ("phone", "１３９６８５２７４１３")
