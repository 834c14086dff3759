"""The five-attribute reward head."""

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from gristmill.nemotron import NemotronRewardModel, Preset  # noqa: E402

SMALL = Preset(layers=2, hidden=32, heads=4, kv_heads=2, ffn=64, vocab=64, context=64)


def build(outputs=5):
    torch.manual_seed(0)
    config = transformers.NemotronConfig(
        **SMALL.config_kwargs(), pad_token_id=0, eos_token_id=0, bos_token_id=0
    )
    config.num_outputs = outputs
    model = NemotronRewardModel(config).eval()
    torch.nn.init.normal_(model.score.weight)
    torch.nn.init.normal_(model.score.bias)
    return model


def test_padding_does_not_change_scores_even_where_pad_is_eos():
    model = build()
    row = torch.tensor([[5, 6, 7, 0]])  # ends in the very token that pads
    alone = model.rate(row)
    padded = torch.tensor([[5, 6, 7, 0, 0, 0], [8, 9, 1, 2, 3, 4]])
    mask = torch.tensor([[1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1]])
    together = model.rate(padded, mask)
    assert together.shape == (2, 5)
    assert together.dtype == torch.float32
    torch.testing.assert_close(together[:1], alone, atol=1e-5, rtol=1e-5)
    without_end = model.rate(row[:, :3])
    assert not torch.allclose(alone, without_end)


def test_nine_outputs_give_the_last_five():
    model = build(outputs=9)
    ids = torch.tensor([[5, 6, 7]])
    states = model.model(input_ids=ids, use_cache=False).last_hidden_state[:, -1]
    torch.testing.assert_close(model.rate(ids), model.score(states)[:, 4:])


def test_loss_is_masked():
    model = build()
    ids = torch.tensor([[5, 6, 7], [7, 8, 9]])
    scores = model.rate(ids)
    labels = torch.tensor([[1.0, 2, 3, 4, -100], [0, -100, -100, -100, -100]])
    known = labels != -100
    want = (scores - labels)[known].square().mean()
    torch.testing.assert_close(model(ids, labels=labels).loss, want)


def test_left_padding_and_empty_rows_are_refused():
    model = build()
    ids = torch.tensor([[0, 5, 6]])
    with pytest.raises(ValueError, match="padded on the right"):
        model.rate(ids, torch.tensor([[0, 1, 1]]))
    with pytest.raises(ValueError, match="no tokens"):
        model.rate(ids, torch.tensor([[0, 0, 0]]))


def test_other_output_counts_are_refused():
    with pytest.raises(ValueError, match="num_outputs is 7"):
        build(outputs=7)


@pytest.mark.parametrize("outputs", [5, 9])
def test_saved_and_loaded_again(tmp_path, outputs):
    model = build(outputs)
    model.save_pretrained(tmp_path)
    config = transformers.AutoConfig.from_pretrained(tmp_path)
    assert config.architectures == ["NemotronRewardModel"]
    assert config.attributes[0] == "helpfulness"
    assert (tmp_path / "model.safetensors").exists()
    again = NemotronRewardModel.from_pretrained(tmp_path).eval()
    ids = torch.tensor([[5, 6, 7]])
    torch.testing.assert_close(again.rate(ids), model.rate(ids))
