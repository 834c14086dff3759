"""Languages by every name that files and configs use."""

from __future__ import annotations

import pytest

from gristmill.errors import ConfigError
from gristmill.languages import LANGUAGES, language_of


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("de", "de"), ("DE", "de"), ("deu", "de"), ("ger", "de"), ("German", "de"),
        (" deutsch ", "de"), ("de-AT", "de"), ("de_DE", "de"), ("deu_Latn", "de"),
        ("zh-Hans", "zh"), ("zh_CN", "zh"), ("中文", "zh"), ("Mandarin", "zh"), ("pt-BR", "pt"),
        ("Français", "fr"), ("francais", "fr"), ("no", "nb"), ("Norwegian", "nb"),
        ("Farsi", "fa"), ("fil", "tl"), ("हिन्दी", "hi"), ("Haitian  Creole", "ht"), ("ceb", "ceb"),
    ],
)  # fmt: skip
def test_a_language_is_found_by_code_and_name(name: str, code: str) -> None:
    assert language_of(name).code == code


@pytest.mark.parametrize(
    ("name", "hint"),
    [("Germn", "did you mean 'German'"), ("", "write a code"), ("q1", "write a code"),
     ("German-ish", "did you mean 'German'")],
)  # fmt: skip
def test_an_unknown_one_is_told_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=f"unknown language '{name}'; {hint}"):
        language_of(name)


def test_codes_are_lower_case_and_every_name_leads_back() -> None:
    assert len(LANGUAGES) >= 75
    for code, language in LANGUAGES.items():
        assert code == language.code == code.lower()
        assert 2 <= len(code) <= 3
        for name in (code, language.name, language.own, *language.also):
            assert language_of(name) is language


def test_all_that_lingua_tells_apart_are_there() -> None:
    known = pytest.importorskip("lingua").Language.all()
    assert len(known) >= 75
    for one in known:
        code = one.iso_code_639_1.name.lower()
        assert language_of(code).code == code
        assert language_of(one.iso_code_639_3.name).code == code
        assert language_of(one.name.lower()).code == code
