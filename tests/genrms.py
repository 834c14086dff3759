"""A server that speaks as generative reward models do. An answer's number is how good it is."""

from __future__ import annotations

from typing import Any

from llm_judges import quality
from servers import FaultyServer


class GenrmServer(FaultyServer):
    """Answers in a `form` of `REPLIES`, or with yes or no to a principle behind an answer. What
    looks like `garbled` in an answer has no scores; `bias` is added to what is shown first."""

    def __init__(self, form: str = "boxed", *, bias: float = 0.0, **options: Any) -> None:
        super().__init__(**options)
        self.form, self.bias = form, bias

    @property
    def model(self) -> str:
        return f"{self.url}#genrm"

    def _completion(self, body: dict[str, Any]) -> dict[str, Any]:
        texts = [m["content"] for m in body["messages"] if m["role"].startswith("response_")]
        if body["messages"][-1]["role"] == "principle":
            said = yes_or_no(body["messages"][-2]["content"])
        elif any("garbled" in text for text in texts):
            said = "Both are hard to read."
        else:
            said = REPLIES[self.form](*self._scores(texts))
        choice = {"index": 0, "message": {"role": "assistant", "content": said}}
        usage = {"prompt_tokens": 900, "completion_tokens": 40}
        return {"choices": [{**choice, "finish_reason": "stop"}], "usage": usage}

    def _scores(self, texts: list[str]) -> list[float]:
        each = [min(5.0, max(1.0, quality(text))) for text in texts]
        if len(each) == 1:
            return each
        gap = max(-2, min(2, round(each[1] - each[0] - self.bias)))
        return [*each, 3.0 + gap]


def boxed(*scores: float) -> str:
    """Llama-3.3-Nemotron-Super-49B-GenRM's, whose thought its server did not take apart."""
    each = ", ".join(f"{score:g}" for score in scores[:2])
    told = [
        "<think>Perhaps \\boxed{1, 5}?</think>\n[The Begin of Analysis on Response 1]\nIt does.\n"
        "[The End of Analysis on Response 1]\n",
        f"[The Begin of Individual Scores]\n\\boxed{{{each}}} \n[The End of Individual Scores]\n",
    ]
    if len(scores) == 3:
        ranking = f"\\boxed{{{scores[2]:g}}}"
        told.append(f"[The Begin of Ranking Score]\n{ranking} \n[The End of Ranking Score]")
    return "\n".join(told)


def as_json(*scores: float) -> str:
    """Qwen3-Nemotron-235B-A22B-GenRM's."""
    first, second, ranking = scores
    return (
        "Response 1 is fine.\n\n```json\n{\n"
        f'    "score_1": {first:g},\n    "score_2": {second:g},\n    "ranking": {ranking:g}\n'
        "}\n```"
    )


def nested(*scores: float) -> str:
    """What a model says that was given a rubric."""
    first, second, ranking = scores
    overall = f'{{"score_1": {first:g}, "score_2": {second:g}, "ranking": {ranking:g}}}'
    return f'{{"rubric_evaluations": [{{"score_1": 1, "score_2": 1}}], "overall": {overall}}}'


REPLIES = {"boxed": boxed, "json": as_json, "nested": nested}


def yes_or_no(text: str) -> str:
    """Qwen3-Nemotron-32B-GenRM-Principle's."""
    return f"It is a number.\n\nFinal Judgement: {'Yes' if quality(text) >= 3 else 'No'}"
