"""Model strings and options: what is accepted, and the line a user reads when it is not."""

import pytest

from gristmill.backends import open_chat, open_embedding, open_reward
from gristmill.backends.address import Address
from gristmill.backends.calling import Calling
from gristmill.errors import ConfigError


@pytest.mark.parametrize(
    ("model", "url", "root"),
    [
        ("http://h:8000/v1#a/b", "http://h:8000/v1/chat/completions", "http://h:8000"),
        ("http://h:8000/v1/#a/b", "http://h:8000/v1/chat/completions", "http://h:8000"),
        ("https://h/api#a/b", "https://h/api/chat/completions", "https://h/api"),
        ("http://h#a/b", "http://h/chat/completions", "http://h"),
        ("http://h/v1?route=classify#a/b", "http://h/classify", "http://h"),
        ("http://h/v1?route=pooling#a/b", "http://h/pooling", "http://h"),
        (
            "https://h/d?api-version=1#a/b",
            "https://h/d/chat/completions?api-version=1",
            "https://h/d",
        ),
    ],
)
def test_addresses(model, url, root):
    address = Address.of(Calling(model=model))
    assert (str(address.url), address.server.root.rstrip("/")) == (url, root)
    assert address.name == "a/b"
    assert not address.server.key


def test_nim(monkeypatch):
    monkeypatch.setenv("NVIDIA_API_KEY", "nvapi-1")
    address = Address.of(Calling(model="nim:nvidia/nemotron-4-340b-reward"))
    assert str(address.url) == "https://integrate.api.nvidia.com/v1/chat/completions"
    assert address.name == "nvidia/nemotron-4-340b-reward"
    assert address.server.key.reveal() == "nvapi-1"


def test_a_missing_key_names_its_variable(monkeypatch):
    monkeypatch.delenv("NVIDIA_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="NVIDIA_API_KEY"):
        open_chat("nim:nvidia/x")
    monkeypatch.setenv("MY_KEY", "  ")
    with pytest.raises(ConfigError, match="MY_KEY"):
        open_reward("http://h/v1#x", {"key_env": "MY_KEY"})


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("http://h:8000/v1", "#NAME"),
        ("http://h:8000/v1#", "#NAME"),
        ("http:h#x", "HTTP|http://"),
        ("http://h:99999999/v1#x", "not an address"),
        ("http://h/v1?route=score#x", "score"),
    ],
)
def test_bad_model_strings(model, says):
    with pytest.raises(ConfigError, match=says):
        open_chat(model)


@pytest.mark.parametrize(
    "model",
    ["https://me:hunter2@h/v1#x", "https://h/v1?api_key=hunter2#x", "https://h?sig=hunter2#x"],
)
def test_a_key_in_the_model_string_is_refused_and_not_repeated(model):
    with pytest.raises(ConfigError, match="key_env") as caught:
        open_chat(model)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("concurrency", 0),
        ("concurrency", True),
        ("concurrency", "64"),
        ("concurrency", 4097),
        ("timeout", 0),
        ("timeout", float("nan")),
        ("retries", -1),
        ("requests_per_minute", 0),
        ("tokens_per_minute", -5),
        ("key_env", ""),
        ("route", "score"),
        ("body", [1]),
        ("body", {"messages": []}),
        ("body", {"since": {1, 2}}),
        ("device", "cpu"),
    ],
)
def test_bad_options_name_the_option(option, value):
    for opened in (open_chat, open_reward, open_embedding):
        with pytest.raises(ConfigError, match=option):
            opened("http://h/v1#x", {option: value})


def test_options_of_other_backends_are_ignored():
    open_chat("http://h/v1#x", {"batch": 4})
    open_chat("scripted:echo", {"batch": 4, "timeout": 3})
