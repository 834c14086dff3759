"""The local backend against transformers' own `generate`, on the same prompts, in one run.

    python benchmarks/local.py [--model tiny:instruct] [--reward tiny:reward] [--prompts 200]

Prints new tokens a second of both (prompts in, texts out, so tokenizing and decoding count), and
the seconds that a job of the quickstart's size takes. Rounds alternate, the best of each is
taken: what else runs on the machine slows single rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from dataclasses import dataclass
from typing import Any

from gristmill.backends import open_chat, open_reward
from gristmill.backends.local_load import find, load_model, load_tokenizer, quietly
from gristmill.records import Message, Prompt, Response, Sampling, as_dicts, prompt_id


@dataclass(frozen=True)
class Job:
    """So many prompts, each answered `responses` times with `tokens` new tokens at most."""

    prompts: list[Prompt]
    responses: int
    tokens: int
    batch: int


def make_prompts(count: int) -> list[Prompt]:
    """Short questions of different lengths, the same every time."""
    dice = random.Random(0)
    prompts = []
    for _ in range(count):
        numbers = ", ".join(str(dice.randrange(100)) for _ in range(dice.randrange(2, 8)))
        messages = (Message("user", f"What is the sum of {numbers}?"),)
        prompts.append(Prompt(prompt_id(messages), messages))
    return prompts


async def ours(backend: Any, job: Job) -> tuple[float, list[Response]]:
    """Seconds, and the responses, prompt by prompt."""
    how = Sampling(temperature=0.8, max_tokens=job.tokens)
    start = time.perf_counter()
    responses = await asyncio.gather(
        *(backend.sample(p, i, how) for p in job.prompts for i in range(job.responses))
    )
    return time.perf_counter() - start, responses


def theirs(model: Any, tokenizer: Any, job: Job) -> tuple[float, int]:
    """Seconds, and the new tokens, of `generate` in batches of the same size."""
    import torch

    start = time.perf_counter()
    tokens = 0
    stops = torch.tensor(sorted(_ids(model.generation_config.eos_token_id)))
    for at in range(0, len(job.prompts), job.batch // job.responses):
        part = job.prompts[at : at + job.batch // job.responses]
        texts = [
            tokenizer.apply_chat_template(
                as_dicts(p.messages), tokenize=False, add_generation_prompt=True
            )
            for p in part
        ]
        inputs = tokenizer(
            texts, return_tensors="pt", padding=True, padding_side="left", add_special_tokens=False
        ).to(model.device)
        with torch.inference_mode():
            out = model.generate(
                **inputs,
                max_new_tokens=job.tokens,
                num_return_sequences=job.responses,
                do_sample=True,
                temperature=0.8,
                top_k=0,
            )
        new = out[:, inputs["input_ids"].shape[1] :]
        ended = torch.isin(new, stops.to(new.device)).cumsum(-1)
        # Up to the first stop token, and that one too.
        tokens += int(((ended == 0).sum() + (ended[:, -1] > 0).sum()).item())
        tokenizer.batch_decode(new, skip_special_tokens=True)
    return time.perf_counter() - start, tokens


def _ids(stated: Any) -> set[int]:
    return set(stated) if isinstance(stated, list) else {stated}


async def grade(model: str, job: Job, responses: list[Response]) -> float:
    """Seconds for grading every response."""
    async with open_reward(model) as backend:
        owners = [p for p in job.prompts for _ in range(job.responses)]
        start = time.perf_counter()
        await asyncio.gather(
            *(
                backend.score((*p.messages, Message("assistant", r.text or "-")))
                for p, r in zip(owners, responses, strict=True)
            )
        )
        return time.perf_counter() - start


async def main(args: argparse.Namespace) -> None:
    """Run and print."""
    job = Job(make_prompts(args.prompts), args.responses, args.tokens, args.batch)
    start = time.perf_counter()
    async with open_chat(args.model, {"batch": args.batch}) as backend:
        print(f"imports and loading: {time.perf_counter() - start:.1f} s")
        from transformers import AutoModelForCausalLM

        source = find(args.model)
        tokenizer, model = load_tokenizer(source), load_model(source, AutoModelForCausalLM)
        warm = Job(job.prompts[:8], 4, 4, 32)
        with quietly():
            await ours(backend, warm)
            theirs(model, tokenizer, warm)
            mine, other = 0.0, 0.0
            for _ in range(args.rounds):
                seconds, responses = await ours(backend, job)
                count = sum(r.completion_tokens for r in responses)
                mine = max(mine, count / seconds)
                seconds, count = theirs(model, tokenizer, job)
                other = max(other, count / seconds)
        calls = len(job.prompts) * job.responses
        print(f"gristmill:             {mine:8,.0f} tokens/s")
        print(f"transformers generate: {other:8,.0f} tokens/s, ratio {mine / other:.2f}")
        seconds, responses = await ours(backend, job)
        print(f"{calls} responses:         {seconds:8.1f} s")
        if args.reward:
            print(f"{calls} grades:            {await grade(args.reward, job, responses):8.1f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="tiny:instruct")
    parser.add_argument("--reward", default="tiny:reward", help="empty for none")
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--responses", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=40, help="new tokens at most")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    asyncio.run(main(parser.parse_args()))
