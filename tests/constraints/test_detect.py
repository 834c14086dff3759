"""The language of an answer, where lingua is there and where it is not."""

from __future__ import annotations

import sys

import pytest

from gristmill.constraints import Constraint
from gristmill.errors import MissingExtra
from gristmill.languages import detect
from gristmill.parts import open_part


def language(code: str) -> Constraint:
    return open_part("gristmill.constraints", {"language": {"language": code}}, "here")


def test_the_table_of_languages_is_linguas() -> None:
    lingua = pytest.importorskip("lingua")
    codes = {each.iso_code_639_1.name.lower() for each in lingua.Language.all()}
    assert codes == set(detect._CODES.split())


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("kn", "ಹಳೆಯ ಬಂದರು ಬೆಟ್ಟದ ಹಿಂದೆ ಇದೆ."),
        ("ml", "പഴയ തുറമുഖം കുന്നിന് പിന്നിലാണ്."),
        ("ne", "नेपालको राजधानी काठमाडौं हो र यो धेरै सुन्दर छ। यहाँ धेरै मानिस बस्छन् र काम गर्छन्।"),
        ("hi", "पुराना बंदरगाह पहाड़ी के पीछे है और हर सुबह मछुआरे अपनी नावें वापस लाते हैं।"),
    ],
)
def test_languages_of_their_own_script_are_told_and_nepali_is_not_hindi(
    code: str, text: str
) -> None:
    pytest.importorskip("lingua")
    assert language(code).check(text)
    assert not language("mr").check(text)


def test_code_and_addresses_say_nothing_about_the_language() -> None:
    pytest.importorskip("lingua")
    text = (
        "Der alte Hafen liegt hinter dem Hügel, und jeden Morgen bringen die Fischer ihre Boote "
        "zurück, bevor die Flut kommt und der Markt seine Türen öffnet.\n"
        "```\n# the old harbour and the new harbour and the boats\n```\n"
        "https://example.com/the/old/harbour/and/all/of/the/boats"
    )
    assert language("German").check(text)


def test_lone_surrogates_and_texts_without_letters_have_no_language() -> None:
    pytest.importorskip("lingua")
    assert not language("de").check("\ud800\udfff 12 ...")


def test_languages_that_cannot_be_told_apart_are_taken_for_each_other() -> None:
    assert detect.alike("id", "ms") and detect.alike("de", "de")
    assert not detect.alike("id", "nn") and not detect.alike("", "de")


def test_without_lingua_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    detect._detector.cache_clear()
    monkeypatch.setitem(sys.modules, "lingua", None)
    with pytest.raises(MissingExtra, match=r"telling languages apart needs the extra 'curate'"):
        language("de").check("Guten Tag.")
    detect._detector.cache_clear()
