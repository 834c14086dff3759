"""Architectures as data."""

import pytest

from gristmill.nemotron import PRESETS, preset


@pytest.mark.parametrize(
    ("name", "embeddings", "others"), [("15b", 3.146, 12.483), ("340b", 9.437, 331.592)]
)
def test_published_parameter_counts(name, embeddings, others):
    counted = [round(n / 1e9, 3) for n in preset(name).parameters()]
    assert counted == [embeddings, others]


def test_the_count_is_what_transformers_builds():
    torch = pytest.importorskip("torch")
    from transformers import NemotronConfig, NemotronForCausalLM

    for name, shape in PRESETS.items():
        with torch.device("meta"):
            model = NemotronForCausalLM(NemotronConfig(**shape.config_kwargs()))
        assert sum(p.numel() for p in model.parameters()) == sum(shape.parameters()), name


def test_unknown_name_lists_the_known():
    with pytest.raises(ValueError, match="choose one of tiny, mini-4b, mini-8b, 15b, 340b"):
        preset("70b")
