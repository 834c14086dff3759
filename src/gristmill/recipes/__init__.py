"""Recipes: prompts that a model writes. One file a recipe, beside its templates; see `base`.

`_flow` moves items from stage to stage without a barrier, `_ask` asks the model and reads what it
says, by the calls of `_calls`, `_engine` runs a recipe until it has the prompts that were asked
for, `_mix` takes from several by weight.
"""

from gristmill.recipes._flow import Wanted
from gristmill.recipes._items import Draft, Item
from gristmill.recipes._mix import Mix
from gristmill.recipes._report import Report
from gristmill.recipes.base import Recipe

__all__ = ["Draft", "Item", "Mix", "Recipe", "Report", "Wanted"]
