"""The benchmark's server and its bare client work, and the endpoint backend agrees with both."""

import asyncio
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from gristmill.backends import open_chat, open_reward
from gristmill.records import Message, Prompt, Sampling

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def address():
    command = [sys.executable, str(BENCHMARKS / "loopback.py"), "--latency", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
        server.terminate()


def test_the_server_answers_as_chat_and_as_reward_model(address):
    async def main():
        async with open_chat(f"{address}#chat") as chat, open_reward(f"{address}#reward") as judge:
            prompts = [Prompt(str(n), (Message("user", f"q {n}"),)) for n in range(100)]
            answers = await asyncio.gather(*(chat.sample(p, 0, Sampling()) for p in prompts))
            talks = [
                (*p.messages, Message("assistant", a.text))
                for p, a in zip(prompts, answers, strict=True)
            ]
            return answers, await asyncio.gather(*(judge.score(talk) for talk in talks))

    answers, scores = asyncio.run(main())
    assert all(a.text and a.completion_tokens for a in answers)
    assert all(s.attributes and 0 <= min(s.attributes) <= max(s.attributes) <= 4 for s in scores)


def test_the_bare_client_makes_every_call(address):
    spec = importlib.util.spec_from_file_location("bare", BENCHMARKS / "bare.py")
    assert spec is not None
    assert spec.loader is not None
    bare = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bare)
    assert asyncio.run(bare.bare(address, bare.chat_requests(200), 16)) > 0
