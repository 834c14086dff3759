"""A chat model whose replies were written by hand, so that each recipe can be tried without one.

    cd examples
    gristmill prompts open_qa --model scripted:writer:write --count 4 --out prompts.jsonl \
        --set topics=0 --set "own_topics=[Wood glue]" --set subtopics=2 --set questions=2

The replies lie in `writer.yaml`, as untidy as those of real models: with a preface, in bold, as
JSON, too few, with a remark behind. It knows the requests of docs/recipes.md and docs/curate.md
alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

REPLIES = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))


def write(messages: list[dict[str, Any]], index: int, seed: int) -> str:
    """What stands under the first entry whose words are all in the conversation.

    An entry with several replies gives the `index`-th: the same request asked once more gets the
    next. Raises LookupError for a request that nobody wrote a reply to.
    """
    said = "\n".join(message["content"] for message in messages)
    for entry in REPLIES:
        if all(word in said for word in entry["to"]):
            replies = entry["say"] if isinstance(entry["say"], list) else [entry["say"]]
            return replies[min(index, len(replies) - 1)]
    raise LookupError(f"writer.yaml has no reply to: {messages[-1]['content'][:200]}")
