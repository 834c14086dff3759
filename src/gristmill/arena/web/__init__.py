"""The web page of an arena: anonymous battles and votes, on Gradio (extra `arena`)."""

from gristmill.arena.web.config import PageConfig
from gristmill.arena.web.server import serve

__all__ = ["PageConfig", "serve"]
