"""Who does which shard: claims, what becomes of lost ones, and of what they had left to spend."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import scripts
from gristmill import mill
from gristmill.errors import BackendFatal, CheckpointError
from gristmill.mill import shards as shards_module
from gristmill.mill import slots as slots_module
from gristmill.mill.allowance import Allowance
from gristmill.mill.budget import Spent
from gristmill.mill.config import Budget
from gristmill.mill.journal import spent_in
from gristmill.mill.shard import Shard
from gristmill.mill.shards import run_shard
from gristmill.mill.slots import Slots
from gristmill.storage import lease as lease_module
from gristmill.storage.lease import Claim, Keeper, Leases, Lost
from mills import config, data_of, write_prompts


@contextmanager
def on(machine: str) -> Iterator[None]:
    """Be another machine."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (lease_module, slots_module):
            patch.setattr(module, "host", lambda: machine)
        yield


def older(claim: Claim, seconds: float) -> None:
    """As if it had not been renewed for so long."""
    then = claim.path.stat().st_mtime - seconds
    os.utime(claim.path, (then, then))


class TestClaims:
    def test_of_many_that_ask_one_gets_it(self, tmp_path: Path) -> None:
        leases, got = Leases(tmp_path), []
        begin = threading.Barrier(8)

        def ask() -> None:
            begin.wait()
            got.append(leases.claim("work", None, {}))

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(claim is not None for claim in got) == 1
        assert sorted(p.name for p in tmp_path.iterdir()) == ["work.0001"]

    def test_who_held_it_before_hears_of_it(self, tmp_path: Path) -> None:
        leases = Leases(tmp_path)
        first = leases.claim("work", None, {"by": "a"})
        assert first is not None
        first.renew()
        second = leases.claim("work", leases.last("work"), {"by": "b"})
        assert second is not None
        with pytest.raises(Lost):
            first.renew()
        second.renew()
        second.end()
        last = leases.last("work")
        assert last is not None and last.ended and last.said["by"] == "b"
        assert [claim.said["by"] for claim in leases.every()] == ["a", "b"]
        assert leases.claim("work", None, {"by": "late"}) is None

    def test_its_age_is_by_the_clock_of_the_folder(self, tmp_path: Path) -> None:
        leases = Leases(tmp_path)
        claim = leases.claim("work", None, {})
        assert claim is not None
        older(claim, 100)
        found = leases.last("work")
        assert found is not None and 99 < found.age < 110
        claim.renew()
        found = leases.last("work")
        assert found is not None and found.age < 10

    def test_a_keeper_renews_and_says_when_it_is_lost(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lease_module, "BEAT", 0.01)
        leases, told = Leases(tmp_path), threading.Event()
        claim = leases.claim("work", None, {})
        assert claim is not None
        older(claim, 100)
        with Keeper(lambda: None, told.set) as keeper:
            keeper.claims.append(claim)
            assert keeper.sure()
            leases.claim("work", leases.last("work"), {})
            assert told.wait(10)
            assert not keeper.sure()

    def test_after_a_standstill_it_is_looked_at_before_anything_is_sent(
        self, tmp_path: Path
    ) -> None:
        leases, keeper = Leases(tmp_path), Keeper(lambda: None, lambda: None)
        claim = leases.claim("work", None, {})
        assert claim is not None
        keeper.claims.append(claim)
        keeper.renewed -= 2 * lease_module.LEASE
        assert keeper.sure()
        leases.claim("work", leases.last("work"), {})
        assert keeper.sure()  # within its time nobody may have taken it
        keeper.renewed -= 2 * lease_module.LEASE
        assert not keeper.sure()


def own(prompts: Path, **changes: Any) -> mill.Config:
    generate = {"model": "scripted:scripts:answer"}
    return config(prompts, generate=generate, judges=[], **{"keep": [], **changes})


def cut_short(values: mill.Config, out: Path, shard: Shard, at: int) -> Claim:
    """Let a shard of another machine end at the first of its prompts from a number on, and its
    claim stay."""
    with on("elsewhere"):
        scripts.fatal += [f"Question {number}?" for number in range(at, 100)]
        with pytest.raises(BackendFatal, match="the model is gone"):
            run_shard(values, out, shard)
        for name in [n for n in scripts.asked if n.rpartition("/")[0] in scripts.fatal]:
            del scripts.asked[name]
        scripts.fatal.clear()
        claim = Leases(out / "checkpoint" / "leases").last(shard.name)
    assert claim is not None and not claim.ended
    return claim


class TestTakenUp:
    def test_a_lost_shard_of_another_machine(self, tmp_path: Path) -> None:
        values, out = own(write_prompts(tmp_path, 60), keep=[]), tmp_path / "many"
        mill.run(values, tmp_path / "one")
        scripts.forget()
        older(cut_short(values, out, Shard(1, 3), 30), 61)
        made = run_shard(values, out, Shard(2, 3))
        assert made.took == ["shard 1 of 3"]
        # It comes back: what is done is done.
        assert run_shard(values, out, Shard(1, 3)).finished < 60
        assert run_shard(values, out, Shard(3, 3)).took == []
        mill.run(values, out)
        assert set(scripts.asked.values()) == {1} and len(scripts.asked) == 120
        assert data_of(out) == data_of(tmp_path / "one")

    def test_one_that_lives_is_left_alone(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for module in (lease_module, slots_module):
            monkeypatch.setattr(module, "LEASE", 0.3)
            monkeypatch.setattr(module, "BEAT", 0.01)
        values, out = own(write_prompts(tmp_path, 20)), tmp_path / "out"
        claim = cut_short(values, out, Shard(1, 2), 10)
        renewing = threading.Event()

        def renew() -> None:
            while not renewing.wait(0.02):
                claim.renew()

        thread = threading.Thread(target=renew)
        thread.start()
        try:
            assert run_shard(values, out, Shard(2, 2)).took == []
            with pytest.raises(CheckpointError, match="shard 1 of 2 is at work already, on else"):
                run_shard(values, out, Shard(1, 2))
            with pytest.raises(CheckpointError, match="001-of-002 is at work on elsewhere"):
                mill.run(values, out)
        finally:
            renewing.set()
            thread.join()
        # Now its claim runs out, and is waited for no longer than that.
        assert run_shard(values, out, Shard(1, 2)).status == "complete"
        assert mill.run(values, out).metrics["prompts"]["finished"] == 20

    def test_one_that_was_taken_up_stops(self, tmp_path: Path) -> None:
        values, out = own(write_prompts(tmp_path, 200)), tmp_path / "out"

        def take(_: object) -> None:
            with on("elsewhere"):
                leases = Leases(out / "checkpoint" / "leases")
                if (last := leases.last("001-of-002")) and last.number == 1:
                    leases.claim("001-of-002", last, {"by": "002-of-002", "round": "x"})

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(lease_module, "BEAT", 0.01)
            patch.setattr(shards_module, "execute", taken_up_in_the_middle(take))
            made = run_shard(values, out, Shard(1, 2))
        assert made.status == "lost"
        assert scripts.asked.total() == 0


def taken_up_in_the_middle(take: Any) -> Any:
    real = shards_module.execute

    async def execute(session: Any, watch: Any) -> None:
        take(None)
        for _ in range(1000):
            if not session.executor.stopped:
                await asyncio.sleep(0.01)
        await real(session, watch)

    return execute


class TestAllowance:
    def test_what_a_lost_shard_had_left_goes_to_who_takes_it_up(self, tmp_path: Path) -> None:
        values = own(write_prompts(tmp_path, 60), keep=[], budget={"requests": 90})
        out = tmp_path / "out"
        older(cut_short(values, out, Shard(1, 3), 9), 61)
        spent = spent_in(out / "checkpoint" / "001-of-003").requests
        assert 0 < spent < 30
        made = run_shard(values, out, Shard(2, 3))
        assert made.took == ["shard 1 of 3"]
        assert made.requests == 30 + 30 - spent
        # The one that comes back has nothing to spend, and another's share is its own.
        assert run_shard(values, out, Shard(1, 3)).requests == spent
        assert run_shard(values, out, Shard(3, 3)).requests == 30
        assert mill.run(values, out).metrics["requests"]["sent"] == 90

    @given(
        st.integers(1, 64),
        st.none() | st.integers(1, 10_000),
        st.none() | st.integers(1, 10_000),
        st.none() | st.integers(1, 500),
        st.lists(st.integers(0, 300), max_size=64),
    )
    def test_the_shares_are_the_whole(
        self,
        of: int,
        requests: int | None,
        tokens: int | None,
        target: int | None,
        spent: list[int],
    ) -> None:
        values = config(Path("p.jsonl"), target=target)
        budget = Budget(requests=requests, tokens=tokens, usd=None)
        values = values.model_copy(update={"budget": budget})
        before = [Spent(requests=n, prompt_tokens=2 * n) for n in (spent + [0] * of)[:of]]
        total = Spent.total(before)
        agreed = Allowance.of_shards(values, of, total, before)
        assert agreed.suits(values, of) and not agreed.suits(values, of + 1)
        for place, whole, used in ((0, requests, total.requests), (1, tokens, total.prompt_tokens)):
            limits = [limit[place] for limit in agreed.limits]
            if whole is None:
                assert limits == [None] * of
            else:
                assert sum(n for n in limits if n is not None) == max(whole, used)
        shares = [
            agreed.share(values, Shard(n + 1, of), agreed.limits[n]).target for n in range(of)
        ]
        assert shares == [None] * of if target is None else sum(n or 0 for n in shares) == target


@given(st.lists(st.integers(0, 2**64 - 1), max_size=50), st.integers(1, 64))
def test_a_prompt_falls_to_one_shard(keys: list[int], of: int) -> None:
    for key in keys:
        assert sum(Shard(number, of).has(key) for number in range(1, of + 1)) == 1


def test_a_shard_sees_who_is_lost_on_its_own_machine_at_once(tmp_path: Path) -> None:
    values, out = own(write_prompts(tmp_path, 20)), tmp_path / "out"
    agreed = Allowance.of_shards(values, 2, Spent(), [Spent(), Spent()])
    slots = Slots(out / "checkpoint", Shard(2, 2))
    slots.leases.claim("001-of-002", None, {"by": "001-of-002", "round": agreed.id})
    found = slots.lost(agreed)
    assert found is not None and found[0] == Shard(1, 2)
    assert slots.lost(agreed) is not None  # one's own claim, of a process that is gone
