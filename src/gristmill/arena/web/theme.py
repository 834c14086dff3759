"""The colours and fonts of gristmill's pages, as a theme of Gradio. No font is downloaded."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.resources import files

from gradio.themes import Base

SANS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif"]
MONO = ["ui-monospace", "SF Mono", "Cascadia Mono", "Menlo", "Consolas", "monospace"]

_COLOURS = {
    "body_background_fill": "paper",
    "body_text_color": "ink",
    "body_text_color_subdued": "quiet",
    "background_fill_primary": "paper",
    "background_fill_secondary": "soft",
    "block_background_fill": "paper",
    "block_border_color": "rule",
    "block_label_background_fill": "paper",
    "block_label_border_color": "rule",
    "block_label_text_color": "quiet",
    "block_title_text_color": "ink",
    "border_color_primary": "rule",
    "border_color_accent": "kept",
    "color_accent_soft": "soft",
    "link_text_color": "kept",
    "link_text_color_hover": "kept",
    "link_text_color_visited": "kept",
    "link_text_color_active": "kept",
    "input_background_fill": "paper",
    "input_background_fill_focus": "paper",
    "input_border_color": "plain",
    "input_border_color_focus": "kept",
    "input_placeholder_color": "quiet",
    "code_background_fill": "soft",
    "button_primary_background_fill": "kept",
    "button_primary_background_fill_hover": "kept",
    "button_primary_text_color": "paper",
    "button_primary_border_color": "kept",
    "button_secondary_background_fill": "paper",
    "button_secondary_background_fill_hover": "soft",
    "button_secondary_text_color": "ink",
    "button_secondary_border_color": "rule",
    "table_even_background_fill": "paper",
    "table_odd_background_fill": "paper",
    "table_border_color": "rule",
}
"""Gradio's variables by our names of colours."""
_ALIKE = {
    "block_shadow": "none",
    "block_radius": "10px",
    "button_large_radius": "8px",
    "button_medium_radius": "8px",
    "button_primary_shadow": "none",
    "button_secondary_shadow": "none",
    "input_shadow": "none",
    "input_shadow_focus": "none",
    "button_large_text_weight": "550",
    "button_medium_text_weight": "500",
    "button_large_text_size": "15px",
}


def theme() -> Base:
    """The theme, light and dark."""
    light, dark = palettes()
    values = dict(_ALIKE)
    for name, colour in _COLOURS.items():
        values |= {name: light[colour], f"{name}_dark": dark[colour]}
    return Base(font=SANS, font_mono=MONO).set(**values)


@lru_cache(maxsize=1)
def palettes() -> tuple[dict[str, str], dict[str, str]]:
    """The colours of `page/base.css` by name: light, dark."""
    css = files("gristmill.page").joinpath("base.css").read_text(encoding="utf-8")
    light, dark = (
        dict(re.findall(r"--([\w-]+):\s*(#\w+)", block))
        for block in re.findall(r":root \{(.*?)\}", css, re.DOTALL)[:2]
    )
    return light, dark


def variables() -> str:
    """Our names of colours as CSS, for our own rules: Gradio marks its dark page with a class."""
    light, dark = palettes()

    def told(colours: dict[str, str]) -> str:
        return " ".join(f"--{name}: {value};" for name, value in colours.items())

    return f":root {{ {told(light)} }}\n.dark {{ {told({**light, **dark})} }}\n"
