"""One call of a backend at a time, for tests."""

import asyncio

from gristmill.backends import open_chat, open_reward
from gristmill.records import Message, Prompt, Sampling, prompt_id


def prompt(text: str) -> Prompt:
    messages = (Message("user", text),)
    return Prompt(prompt_id(messages), messages)


def sample(model: str, options=None, text="hello", sampling=Sampling()):  # noqa: B008
    """One call, the backend opened and closed around it."""

    async def main():
        async with open_chat(model, options) as backend:
            return await backend.sample(prompt(text), 0, sampling)

    return asyncio.run(main())


def score(model: str, options=None):
    async def main():
        async with open_reward(model, options) as backend:
            return await backend.score((Message("user", "q"), Message("assistant", "a")))

    return asyncio.run(main())
