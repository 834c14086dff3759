from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, Gemma3ForCausalLM, Gemma3TextConfig

from gristmill.backends import local_draw
from gristmill.backends.local_draw import Draw, uniform
from gristmill.backends.local_generate import Decoder, Row
from gristmill.backends.microbatch import _one_core
from gristmill.errors import BackendError
from local_models import SIZES, chat_model, one_thread


@pytest.fixture(autouse=True, scope="module")
def threads():
    with one_thread():
        yield


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    directory = chat_model(tmp_path_factory.mktemp("chat"))
    return AutoModelForCausalLM.from_pretrained(directory).eval()


@pytest.fixture(scope="module", params=["all before it", "a window of eight"])
def either(request, model):
    """A model each of whose tokens sees what the parameter says."""
    if request.param == "all before it":
        return model
    torch.manual_seed(2)
    kinds = {"layer_types": ["sliding_attention", "full_attention"], "sliding_window": 8}
    return Gemma3ForCausalLM(Gemma3TextConfig(**SIZES | kinds)).eval()


def row(prompt, seed=0, limit=12, temperature=0.0, top_p=1.0, gone=lambda: False) -> Row:
    return Row(tuple(prompt), tuple(prompt), seed, temperature, top_p, limit, gone)


def decode(decoder: Decoder, rows) -> list[tuple[list[int], bool]]:
    found: dict[int, tuple[list[int], bool]] = {}
    decoder.run(rows, lambda ended: found.update({i: (ids, stop) for i, ids, stop in ended}))
    return [found[i] for i in range(len(rows))]


PROMPTS = [[5, 6, 7], [9] * 11, [100, 3], [50, 60, 70, 80, 90, 11, 12]]


def test_greedy_rows_of_a_padded_batch_equal_transformers_generate_alone(either):
    model = either
    rows = [row(p, limit=5 + 4 * i) for i, p in enumerate(PROMPTS)]
    batch = decode(Decoder(model, [1023]), rows)
    for r, (tokens, _) in zip(rows, batch, strict=True):
        alone = model.generate(
            torch.tensor([r.prompt]),
            attention_mask=torch.ones(1, len(r.prompt), dtype=torch.long),
            max_new_tokens=r.limit,
            do_sample=False,
            eos_token_id=1023,
        )
        assert tokens == alone[0, len(r.prompt) :].tolist()


def test_what_is_drawn_does_not_depend_on_the_company(model):
    decoder = Decoder(model, [3, 8, 21])
    rows = [row(p, seed=s, temperature=0.9, top_p=t, limit=20 + s) for p in PROMPTS
            for s, t in ((1, 1.0), (2, 0.7), (3, 1.0))]  # fmt: skip
    rows.append(row(PROMPTS[0]))
    together = decode(decoder, rows)
    assert [decode(decoder, [r])[0] for r in rows] == together
    assert decode(decoder, rows[::-1])[::-1] == together
    assert len({tuple(tokens) for tokens, _ in together}) == len(rows)


def test_limits_and_stop_tokens_end_rows(model):
    free = decode(Decoder(model, []), [row(PROMPTS[0], limit=10)])[0]
    assert len(free[0]) == 10
    assert free[1] is False
    stop = free[0][4]
    first = free[0].index(stop)
    tokens, stopped = decode(Decoder(model, [stop]), [row(PROMPTS[0], limit=10)])[0]
    assert (tokens, stopped) == (free[0][: first + 1], True)


def test_samples_of_a_prompt_share_its_prefill(model, monkeypatch):
    shapes = []
    forward = model.forward

    def spy(**kwargs):
        shapes.append(tuple(kwargs["input_ids"].shape))
        return forward(**kwargs)

    monkeypatch.setattr(model, "forward", spy)
    rows = [row(p, seed=s, temperature=1.0, limit=6) for p in PROMPTS[:2] for s in range(4)]
    decode(Decoder(model, []), rows)
    assert shapes[0] == (2, 11)
    assert shapes[1] == (8, 1)


def test_ended_rows_leave_the_batch(model, monkeypatch):
    sizes = []
    forward = model.forward

    def spy(**kwargs):
        sizes.append(len(kwargs["input_ids"]))
        return forward(**kwargs)

    monkeypatch.setattr(model, "forward", spy)
    decode(Decoder(model, []), [row([4, i], limit=1 if i < 6 else 9) for i in range(8)])
    assert sizes == [8] + [2] * 8


def test_a_row_that_nobody_waits_for_is_dropped(model):
    seen = []
    rows = [row(PROMPTS[0], gone=lambda: True), row(PROMPTS[1])]
    Decoder(model, []).run(rows, lambda ended: seen.extend(i for i, *_ in ended))
    assert seen == [1]


def test_rows_may_reach_the_end_of_the_context(model):
    context = model.config.max_position_embeddings
    rows = [row([7] * 90, limit=context - 90), row([8, 9], limit=context - 2)]
    tokens = decode(Decoder(model, [], context), rows)
    assert [len(t) for t, _ in tokens] == [6, context - 2]


def test_rows_that_join_a_running_batch_are_drawn_as_if_alone(either):
    decoder = Decoder(either, [3, 8, 21])
    waves = [
        [row(PROMPTS[i % 4], seed=10 * w + i, temperature=0.9, limit=25 + 7 * i) for i in range(3)]
        for w in range(3)
    ]
    # A prompt that is longer than all that those before it have come to.
    waves[1].append(row([7] * 60, seed=5, temperature=0.9, limit=30))
    waves[2].append(row([4, 2], limit=70))
    coming, found = waves[1:], {}

    def more(rows: int, width: int, ahead: int):
        assert 0 < rows <= sum(map(len, waves))
        assert ahead <= 70
        return coming.pop(0) if coming else []

    decoder.run(waves[0], lambda ended: found.update({i: e for i, *e in ended}), more)
    every = [row for wave in waves for row in wave]
    assert not coming
    assert [tuple(found[i]) for i in range(len(every))] == [decode(decoder, [r])[0] for r in every]


def test_a_batch_that_always_goes_on_forgets_where_nobody_is(model):
    rows = [row([9, i], seed=i, temperature=1.0, limit=24) for i in range(60)]
    waiting, widths, found = rows[2:], [], {}

    def more(rows: int, width: int, ahead: int):
        widths.append(width)
        fresh, waiting[:] = waiting[: 4 - rows], waiting[4 - rows :]
        return fresh

    Decoder(model, []).run(rows[:2], lambda e: found.update({i: t for i, t, _ in e}), more)
    assert [len(found[i]) for i in range(60)] == [24] * 60
    # Twenty waves of 24 tokens, in the places of four.
    assert max(widths) < 130


def test_a_row_is_watched_and_ended_by_its_watcher(model):
    seen = []

    def watch(token, likelihood):
        seen.append((token, likelihood))
        return len(seen) == 5

    alone = decode(Decoder(model, []), [row(PROMPTS[0], limit=10)])[0][0]
    watched = replace(row(PROMPTS[0], limit=10), watch=watch, top=3)
    found = decode(Decoder(model, []), [row(PROMPTS[1]), watched])
    assert found[1] == (alone[:5], False)
    assert [token for token, _ in seen] == alone[:5]
    logits = model(torch.tensor([[*PROMPTS[0], *alone[:4]]])).logits[0, -5:]
    for (token, said), wanted in zip(seen, torch.log_softmax(logits, -1), strict=True):
        assert said.top[0][0] == token
        assert said.logprob == pytest.approx(wanted[token].item(), abs=1e-4)
        assert [i for i, _ in said.top] == wanted.topk(3).indices.tolist()


@pytest.mark.parametrize("temperatures", [(0.0,), (1.0,), (0.0, 1.0)])
def test_logits_that_are_not_finite_are_an_error(model, temperatures):
    draw = Draw([row([1], temperature=t) for t in temperatures], torch.device("cpu"))
    logits = torch.zeros(len(temperatures), 8)
    logits[0, 5] = float("nan")
    with pytest.raises(BackendError, match="not finite"):
        draw.tokens(logits, 0)


def test_a_narrow_lane_leaves_the_threads_of_others_alone():
    torch.set_num_threads(2)

    def on_a_lane() -> int:
        _one_core()
        return torch.get_num_threads()

    with ThreadPoolExecutor(1) as lane:
        assert lane.submit(on_a_lane).result() == 1
        assert torch.get_num_threads() == 2
        with ThreadPoolExecutor(1) as later:
            assert later.submit(torch.get_num_threads).result() == 2
        assert lane.submit(torch.get_num_threads).result() == 1
    torch.set_num_threads(1)


def test_uniform_numbers_are_inside_the_interval_even_and_unrelated():
    seeds = np.arange(20_000)
    first, second = uniform(seeds, 0), uniform(seeds, 1)
    for numbers in (first, second):
        assert numbers.min() > 0
        assert numbers.max() < 1
        assert np.histogram(numbers, 20, (0, 1))[0].std() < 60
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.03
    assert abs(np.corrcoef(first[1:], first[:-1])[0, 1]) < 0.03
    assert np.array_equal(uniform(seeds[5:9], 1), second[5:9])


def drawn(logits, n=20_000, **how) -> Counter[int]:
    draw = Draw([row([1], seed=s, **how) for s in range(n)], torch.device("cpu"))
    return Counter(draw.tokens(torch.tensor([logits]).expand(n, -1), 0).tolist())


def test_tokens_are_drawn_in_proportion_to_their_probability():
    logits = [0.0, 1.0, -2.0, 2.0, -float("inf")]
    shares = torch.softmax(torch.tensor(logits) / 0.7, -1).tolist()
    counts = drawn(logits, temperature=0.7)
    assert [counts[i] / 20_000 for i in range(5)] == pytest.approx(shares, abs=0.012)
    assert counts[4] == 0


def test_top_p_keeps_the_smallest_set_that_holds_it():
    logits = torch.log(torch.tensor([0.1, 0.4, 0.2, 0.3])).tolist()
    assert set(drawn(logits, temperature=1.0, top_p=0.65)) == {1, 3}
    assert set(drawn(logits, temperature=1.0, top_p=0.75)) == {1, 2, 3}
    assert set(drawn(logits, temperature=1.0, top_p=0.01)) == {1}
    assert set(drawn(logits, temperature=0.0)) == {1}


def test_a_nucleus_is_the_same_however_many_tokens_are_looked_at_first(monkeypatch):
    steps = torch.arange(200.0)
    # One that the likeliest five hold, one that they do not, one of equal tokens.
    logits = torch.stack([-steps, -steps / 40, torch.zeros(200)])
    rows = [row([1], temperature=1.0, top_p=0.9)] * 3
    whole = [Draw(rows, torch.device("cpu")).tokens(logits, n).tolist() for n in range(300)]
    monkeypatch.setattr(local_draw, "LIKELIEST", 5)
    assert whole == [Draw(rows, torch.device("cpu")).tokens(logits, n).tolist() for n in range(300)]
    assert max(drawn[0] for drawn in whole) < 5 < max(drawn[1] for drawn in whole)
