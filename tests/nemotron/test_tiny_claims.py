"""The shipped weights are measured again: what the model card claims must hold."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from gristmill.nemotron import tiny_path  # noqa: E402
from gristmill.records import ATTRIBUTES  # noqa: E402
from local_models import one_thread  # noqa: E402

QUESTION = {"role": "user", "content": "What is 47 plus 38?"}
RECIPE = Path(__file__).parents[2] / "benchmarks" / "family.py"


def recipe() -> Any:
    spec = importlib.util.spec_from_file_location("family", RECIPE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["family"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What `make tiny` measures, of the models in the package."""
    tiny = recipe()
    home = tmp_path_factory.mktemp("family")
    for name, folder in tiny.MODELS.items():
        (home / folder).mkdir()
        (home / folder / "model").symlink_to(tiny_path(name))
    with one_thread():
        yield tiny.measure(home)


@pytest.mark.slow
def test_base_knows_more_than_instruct_shows(figures: Any) -> None:
    assert figures["base, greedy"]["all"][0] >= 0.95
    assert 0.50 <= figures["instruct, temperature 0.8"]["all"][0] <= 0.75


@pytest.mark.slow
def test_reward_prefers_right_to_wrong(figures: Any) -> None:
    sampled = figures["instruct, temperature 0.8"]["all"][0]
    assert figures["right over wrong"][3] >= 100
    assert figures["right over wrong"][0] >= 0.92
    assert figures["best of 4"][0] > sampled + 0.2
    assert figures["right among the kept"][0] > sampled + 0.2
    assert figures["made, right over wrong"][0] >= 0.85


@pytest.mark.slow
def test_reward_knows_that_a_refusal_can_be_right(figures: Any) -> None:
    assert figures["bench"]["Safety"][0] >= 0.8
    assert figures["bench"]["Chat Hard"][0] >= 0.7


@pytest.mark.slow
def test_every_attribute_follows_the_rules(figures: Any) -> None:
    assert min(figures["pearson"].values()) >= 0.85, figures["pearson"]


@pytest.mark.slow
def test_the_card_is_of_these_weights(figures: Any) -> None:
    card = (tiny_path("base").parent / "README.md").read_text()
    shares = re.findall(r"^\| (.+?) \| [\d.]+ % \(([\d.]+) to ([\d.]+); ", card, re.M)
    assert len(shares) > 30
    for name, low, high in shares:
        assert float(low) <= 100 * figure(figures, name)[0] <= float(high), name
    for name in ATTRIBUTES:
        (said,) = re.findall(rf"^\| pearson: {name} \| ([\d.]+) \|", card, re.M)
        assert figures["pearson"][name] == pytest.approx(float(said), abs=0.02), name


def figure(figures: Any, name: str) -> Any:
    """By its name on the card: `base, greedy: add`, `best of 4`."""
    which, _, kind = name.partition(": ")
    return figures[which][kind] if kind else figures[which]


def test_reward_model_reads_the_shipped_format() -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_path("reward"))
    kind = transformers.AutoModelForSequenceClassification
    model = kind.from_pretrained(tiny_path("reward"), dtype=torch.float32).eval()
    answers = (
        "47 plus 38: 40 plus 30 is 70. 7 plus 8 is 15. 70 plus 15 is 85. The answer is 85.",
        "47 plus 03 is zz 7 7 pulsqu 15. 07 si .51 The answer girtsel",
        "The sky is blue today. My garden has many flowers.",
    )
    texts = [
        tokenizer.apply_chat_template(
            [QUESTION, {"role": "assistant", "content": text}], tokenize=False
        )
        for text in answers
    ]
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        right, garbled, off_point = model(**batch).logits
    assert right[1] > max(garbled[1], off_point[1]) + 2
    assert right[2] > garbled[2] + 2
