"""A key is read from an environment variable; one that was written in its place is not shown."""

from __future__ import annotations

import pytest

from gristmill.backends.calling import Calling
from gristmill.backends.secret import read_key, variable
from gristmill.errors import ConfigError, MissingKey
from gristmill.parts import build
from processes import run

PASTED = (
    "sk-proj-4f9a7c2e81b34d0f",
    "nvapi-Zx81-_mQ2",
    "hf_AbCdEfGh1234567890ijklmnopq",
    "gsk_7Yt5Rr4Ee3Ww2Qq1Aa0Ss9Dd8",
    "a key",
)


@pytest.mark.parametrize("key", PASTED)
def test_a_key_in_the_place_of_its_variable_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(ConfigError, match="and not the key") as error:
        build(Calling, {"model": "http://a:1/v1#m", "key_env": key}, "generate")
    assert key not in str(error.value) and "generate.key_env" in str(error.value)
    code, out, err = run("serve", "tiny:instruct", "--key-env", key)
    assert code == 2 and "and not the key" in err and key not in out + err


@pytest.mark.parametrize(
    "name", ["MY_KEY", "OPENAI_API_KEY_2", "_K9", "azure_key_of_the_second_team_2"]
)
def test_names_are_taken(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert variable(name) == name
    with pytest.raises(MissingKey, match=f"set the environment variable {name}"):
        read_key(name, "model 'm'")
    monkeypatch.setenv(name, " s3cret \n")
    assert read_key(name, "model 'm'").reveal() == "s3cret"


def test_a_variable_that_is_there_may_look_like_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("k3yOfTheWholeDepartment", "s3cret")
    assert read_key("k3yOfTheWholeDepartment", "it").reveal() == "s3cret"
