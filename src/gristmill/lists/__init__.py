"""What a model's reply says: a list, a choice, yes or no, or one text.

A recipe asks a chat model for "20 topics" and gets a text in whatever form the model likes. It is
read here, without a second call: see `parse_list` for the forms and the rules.
"""

from __future__ import annotations

from gristmill.lists.choices import parse_choice, parse_yes_no
from gristmill.lists.parse import parse_list
from gristmill.lists.single import bare

__all__ = ["bare", "parse_choice", "parse_list", "parse_yes_no"]
