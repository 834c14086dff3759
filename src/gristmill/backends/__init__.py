"""Models that can be called, each named by one string.

tiny:instruct              the embedded family (extra `local`)
hf:org/name, hf:./dir      transformers, in this process (extra `local`)
http://host:port/v1#name   any OpenAI-compatible server; https too
http://*#name              on several servers: a list of addresses, a file, a name in DNS
nim:nvidia/name            NVIDIA's hosted models (key from NVIDIA_API_KEY)
scripted:name              answers from a function or file, for tests and dry runs
"""

from gristmill.backends.base import Backend, ChatBackend, Meter, RewardBackend, Traffic
from gristmill.backends.cached import caching
from gristmill.backends.embedding import Embedded, EmbeddingBackend
from gristmill.backends.likelihood import Likelihood, LikelihoodBackend
from gristmill.backends.remembered import Calls, Remembered
from gristmill.backends.resolve import open_chat, open_embedding, open_likelihood, open_reward

__all__ = [
    "Backend",
    "Calls",
    "ChatBackend",
    "Embedded",
    "EmbeddingBackend",
    "Likelihood",
    "LikelihoodBackend",
    "Meter",
    "Remembered",
    "RewardBackend",
    "Traffic",
    "caching",
    "open_chat",
    "open_embedding",
    "open_likelihood",
    "open_reward",
]
