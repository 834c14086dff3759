"""Whatever a config, an option or a model's own files say is taken, or refused in one line."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gristmill.arena.duel.config import Config as Duel
from gristmill.arena.web.config import PageConfig
from gristmill.backends.address import Address
from gristmill.backends.calling import Calling
from gristmill.backends.local_load import card_licence, find, is_reward
from gristmill.backends.places import Places
from gristmill.backends.script_files import as_score
from gristmill.backends.servers import common_name, known, lines, several
from gristmill.bench.choose import Request, judge_of
from gristmill.cli.arena import _anchor
from gristmill.cli.caching import _age
from gristmill.cli.columns import columns_of
from gristmill.errors import (
    BackendError,
    BackendFatal,
    ConfigError,
    DataError,
    InputError,
    MissingExtra,
)
from gristmill.flywheel.arms import load as load_flywheel
from gristmill.intake.source import COLUMNS
from gristmill.jobs.exposing import _host_and_port
from gristmill.mill.config import Config
from gristmill.mill.write_prompts import _read
from gristmill.parts import parse_yaml
from gristmill.plan.known import _from_file
from gristmill.precision.weights import left_alone, weights_of
from gristmill.records import ATTRIBUTES
from gristmill.settings import configured
from gristmill.storage import digest
from gristmill.train.config import KINDS
from gristmill.train.job import config_of
from gristmill.train.stages import load_stages
from strange import changed, damaged, fuzzed, near, plain, texts, written

EXAMPLES = Path(__file__).parents[2] / "examples"
FOREIGN = Path(__file__).parents[1] / "plan" / "foreign.yaml"


@pytest.fixture(scope="module")
def place():
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


def tried(act: Callable[[], Any], *expected: type[Exception]) -> Any:
    """What it gives; None where it refused, and said why."""
    try:
        return act()
    except expected as error:
        assert str(error)
        return None


def example(name: str) -> Any:
    return yaml.safe_load((EXAMPLES / name).read_text(encoding="utf-8"))


URL = "http://localhost:1/v1#m"
RUNS = tuple(example(name) for name in ("support-bot.yaml", "tool-library.yaml", "tutor.yaml"))
MORE = {
    "prompts": [{"file": "p.jsonl", "columns": {"prompt": "q"}, "limit": 3}],
    "generate": {"model": [URL, "http://localhost:2/v1#m"], "price": {"input": 1, "output": 2},
                 "body": {"top_k": 3}, "per_minute": 3, "key_env": "MY_KEY", "timeout": 3.5},
    "judges": [{"math": {}}, {"code": {"seconds": 3}}, {"truth": {"match": "number"}},
               {"format": {"rule": "share"}}, {"llm": {"model": URL, "how": "pairwise"}},
               {"embedding": {"model": URL}}],
    "keep": [{"length": {"min_words": 3}}, {"decontamination": {"files": ["b.jsonl"]}},
             {"semantic_duplicates": {}}, "dedup", {"personal_data": {"do": "mask"}}],
    "select": {"best": 2, "weights": {"math": 0.5}}, "cache": "c", "target": 3,
    "budget": {"tokens": 10, "usd": 0.5},
}  # fmt: skip


def yaml_of(value: Any) -> bytes:
    try:
        return yaml.safe_dump(value, allow_unicode=True).encode("utf-8", "surrogatepass")
    except (yaml.YAMLError, RecursionError):
        return written({"a": str(value)})


def configs(*valid: Any) -> st.SearchStrategy[bytes]:
    """As YAML, and as the JSON that is YAML too."""
    return damaged(st.one_of(changed(*valid, by=plain).map(yaml_of), near(*valid)))


YAML = (
    "a: !!int ''", "a: !!bool maybe", "a: !!timestamp x", "a: !!float ''", "? [a]\n: b",
    "a: 2001-99-99", "a: &x [*x]", "a: !!python/object:os.system x", "a: !!binary ²", "a: 0x",
    "a: 1:99", "<<: 3", "%YAML 9.9", "a: &a [1]\nb: *c", "a:\tb", "=: =", "a: |\n\x00", "on: off",
    "? a\n? a", "a: 1_0", "- - - a", "!!set {a}", f"a: 1{'0' * 400}",
    'a: "\\ud800"', 'a: "\\ud83d\\ude00"',
)  # fmt: skip


@fuzzed
@given(
    st.one_of(
        st.sampled_from(YAML),
        st.lists(st.sampled_from(YAML), max_size=3).map("\n".join),
        texts,
        configs(*RUNS).map(lambda raw: raw.decode("utf-8", "replace")),
    )
)
def test_yaml(text):
    tried(lambda: parse_yaml(text), ConfigError)


@fuzzed
@given(configs(*RUNS, MORE))
def test_configs_of_runs(place, raw):
    path = place / "run.yaml"
    path.write_bytes(raw)
    config = tried(lambda: Config.load(path), ConfigError)
    if config is not None:
        digest(config.identity())
        yaml.safe_dump(config.model_dump(mode="json"))
        for part in (*config.open_judges(), *config.open_filters()):
            part.model_dump(mode="json")


@fuzzed
@given(configs(*RUNS))
def test_configs_of_flywheels(place, raw):
    path = place / "flywheel.yaml"
    path.write_bytes(raw)
    tried(lambda: load_flywheel(path), ConfigError)


RECIPES = (
    {"recipe": "open_qa", "count": 3, "topics": 2, "model": URL},
    {"recipe": "math", "count": 3, "levels": {"easy": 1}, "model": URL, "temperature": 0.5},
    {"recipe": "evolve", "seeds": {"file": "s.jsonl"}, "count": 3, "rounds": 2, "model": URL},
    {"mix": [{"recipe": "writing", "share": 1}, {"recipe": "dialogue", "turns": 3}], "count": 9,
     "model": URL, "budget": {"requests": 3}},
    {"recipe": "instructions", "count": 3, "constraints": ["title"], "languages": ["en"],
     "model": URL},
)  # fmt: skip


@fuzzed
@given(configs(*RECIPES))
def test_configs_of_recipes(raw):
    values = tried(lambda: parse_yaml(raw.decode("utf-8", "replace")), ConfigError)
    if isinstance(values, dict):
        tried(lambda: _read(values, {}), InputError)


TRAINED = (
    ("reward", example("helpsteer2-reward.yaml")),
    ("reward", {**example("reward-tiny.yaml"), "loss": "bradley_terry", "lora": {"rank": 4}}),
    *((kind, {"model": "hf:./base", **values}) for stage in example("align.yaml")["stages"]
      for kind, values in stage.items()),
    ("pretrain", {"name": "p", "model": "tiny:base", "data": [{"file": "t.jsonl", "weight": 2}],
                  "phases": [{"tokens": 10}], "optimizer": {"lr": 1e-3, "betas": [0.9, 0.95]}}),
)  # fmt: skip


@fuzzed
@given(st.sampled_from(TRAINED).flatmap(lambda one: st.tuples(st.just(one[0]), changed(one[1]))))
def test_configs_of_trainings(one):
    kind, values = one
    assert kind in KINDS
    config = tried(lambda: config_of(kind, values, Path("x")), ConfigError)
    if config is not None:
        config.model_dump(mode="json")


@fuzzed
@given(configs(example("align.yaml")))
def test_configs_of_stages(place, raw):
    path = place / "stages.yaml"
    path.write_bytes(raw)
    tried(lambda: load_stages(path), ConfigError)


MODELS = [{"model": URL, "name": "a"}, {"model": "http://localhost:2/v1#n", "system": "s"}]
DUEL = {
    "models": MODELS, "prompts": [{"file": "p.jsonl"}], "votes": "v.jsonl",
    "pairs": {"per_prompt": 2},
    "judges": [{"choice": {"model": URL}}, {"reward": {"model": URL}}], "battles": ["b.jsonl"],
}  # fmt: skip
PAGE = {
    "models": MODELS, "votes": "v.sqlite", "weights": {"a": 2}, "limits": {"rounds_per_hour": 3},
    "seed": 1, "name": "x", "notice": "n", "identity_words": ["w"], "undo_seconds": 3,
}  # fmt: skip


@fuzzed
@given(configs(DUEL, PAGE), st.sampled_from((Duel.load, PageConfig.load)))
def test_configs_of_battles(place, raw, load):
    path = place / "battle.yaml"
    path.write_bytes(raw)
    tried(lambda: load(path), InputError)


@fuzzed
@given(configs({"model": URL, "temperature": 0.5, "max_tokens": 3, "key_env": "K"}), st.booleans())
def test_configs_of_judges(place, raw, scores):
    path = place / "judge.yaml"
    path.write_bytes(raw)
    request = Request("d.jsonl", scored=scores)
    tried(lambda: judge_of(str(path), scores, request), ConfigError, MissingExtra)


# Options

OPTIONS = (
    "a=1",
    "keep.0.x={a: [1]}",
    "judges[0].math.x=1",
    "generate.temperature=1",
    "=",
    "a",
    "a=",
    "30d",
    "9100",
    "[::1]:9100",
    "m=1200",
    "m=nan",
    "prompt=q,answer=a",
)


@fuzzed
@given(st.one_of(st.sampled_from(OPTIONS), texts, st.text(alphabet="0123456789²:=,.[]smhdw-+_ ")))
def test_options(text):
    run = {"generate": {"model": "tiny:instruct"}, "judges": [{"math": {}}], "keep": ["dedup"]}
    tried(lambda: configured(run, [text], Config.of), InputError)
    tried(lambda: columns_of(text, COLUMNS), ConfigError)
    tried(lambda: _age(text), ConfigError)
    tried(lambda: _host_and_port(text), ConfigError)
    tried(lambda: _anchor(text), ConfigError)


PLACES = (
    "http://a:1/v1#m", "https://[::1]:2/v1?route=classify#m", "http+dns://a:1/v1#m", "file:s.txt#m",
    "http://a:99999/v1#m", "http://u:p@a/v1#m", "http://a/v1?api-key=x#m", "http://#m", "nim:a/b",
    "http://[/v1#m", "http://a:x/v1#m", "http://\u00e4\u2028.b/v1#m", "http://xn--/v1#m", "http://a\0b/v1#m",
)  # fmt: skip
places = st.one_of(
    st.sampled_from(PLACES),
    st.tuples(st.sampled_from(PLACES), texts, st.integers(0, 40)).map(
        lambda one: one[0][: one[2]] + one[1][:80] + one[0][one[2] :]
    ),
)


@fuzzed
@given(places, st.lists(places, max_size=3))
def test_addresses(one, more):
    for act in (known, several):
        with suppress(ValueError):
            act(one)
    with suppress(ValueError):
        several(more)
        common_name(more or [one])
    with suppress(ValueError):
        calling = Calling(model=one)
        if calling.model.startswith(("http://", "https://", "nim:")):
            tried(lambda: Address.of(calling), ConfigError)


@fuzzed
@given(st.lists(places, max_size=4).map("\n".join), st.binary(max_size=6), st.integers(0, 200))
def test_lists_of_servers(place, text, put, at):
    path = place / "servers.txt"
    raw = text.encode("utf-8", "surrogatepass")
    path.write_bytes(raw[:at] + put + raw[at:])
    with suppress(ValueError):
        assert lines(f"file:{path}#m")
    tried(lambda: asyncio.run(Places("http://*#m", [f"file:{path}#m"]).look()), BackendFatal)


# What lies beside a model

SHAPES = tuple(
    one["config"] for one in yaml.safe_load(FOREIGN.read_text(encoding="utf-8")).values()
)


@fuzzed
@given(near(*SHAPES))
def test_shapes_of_models(place, raw):
    path = place / "config.json"
    path.write_bytes(raw)
    shape = tried(lambda: _from_file(path, "m"), ConfigError, DataError)
    if shape is not None:
        assert all(isinstance(note, str) for note in shape.notes)


@fuzzed
@given(
    near({"architectures": ["NemotronForCausalLM"], "model_type": "nemotron"}),
    texts,
    configs({"license": "other", "license_name": "mit"}),
)
def test_folders_of_models(place, raw, text, card):
    folder = place / "model"
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_bytes(raw)
    matter = b"---\n" + card + b"\n---\n"
    (folder / "README.md").write_bytes(matter + text.encode("utf-8", "replace"))
    source = tried(lambda: find(f"hf:{folder}"), ConfigError)
    if source is not None:
        assert is_reward(source.config) in (True, False)
    assert card_licence(folder) is None or isinstance(card_licence(folder), str)


HEAD = {
    "a.weight": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]},
    "__metadata__": {"a": "b"},
}


@fuzzed
@given(near(HEAD), st.one_of(st.none(), st.integers(0, 2**64 - 1)))
def test_heads_of_safetensors(place, raw, length):
    folder = place / "weights"
    folder.mkdir(exist_ok=True)
    size = len(raw) if length is None else length
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", size) + raw + bytes(16))
    found = tried(lambda: weights_of(folder), DataError)
    if found is not None:
        left_alone(found)
        assert all(weight.size >= 0 for weight in found)


@fuzzed
@given(
    st.one_of(
        plain, st.lists(plain, max_size=6), changed({"reward": 1.5}, dict.fromkeys(ATTRIBUTES, 3))
    )
)
def test_what_a_reward_function_returns(graded):
    try:
        score = as_score(graded, "m")
    except BackendError:
        return
    json.dumps([score.attributes, score.scalar], allow_nan=False)
