"""Pages in a real browser, on a wide and a narrow screen, light and dark: what hinders reading.

Skips where there is no browser.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = Path("/usr/bin/chromium")
HINDERS = r"""() => {
  const found = new Set();
  const cramped = document.documentElement.scrollWidth > innerWidth;
  if (cramped) found.add(`the page is ${document.documentElement.scrollWidth} wide`);
  const dot = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const known = new Map();
  // A colour as the browser paints it, over another.
  const over = (colour, below) => {
    const key = `${colour} over ${below}`;
    if (!known.has(key)) {
      dot.fillStyle = `rgb(${below})`; dot.fillRect(0, 0, 1, 1);
      dot.fillStyle = colour; dot.fillRect(0, 0, 1, 1);
      known.set(key, [...dot.getImageData(0, 0, 1, 1).data].slice(0, 3));
    }
    return known.get(key);
  };
  const light = (colour) => {
    const [r, g, b] = colour.map((v) => v / 255)
      .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => element
    ? over(getComputedStyle(element).backgroundColor, behind(element.parentElement))
    : [255, 255, 255];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    const said = texts.currentNode.textContent.trim().slice(0, 30);
    const range = document.createRange();
    range.selectNodeContents(texts.currentNode);
    const box = range.getBoundingClientRect();
    if (!said || !box.width || element.closest("script, style, title, .unseen")) continue;
    const style = getComputedStyle(element), drawn = element.ownerSVGElement;
    const scale = drawn ? Math.hypot(element.getScreenCTM().a, element.getScreenCTM().b) : 1;
    const size = parseFloat(style.fontSize) * scale;
    if (size < 10.95) found.add(`"${said}" is ${size.toFixed(1)} px`);
    const paper = behind(drawn ? drawn.parentElement : element);
    const ink = light(over(drawn ? style.fill : style.color, paper));
    const [more, less] = [ink, light(paper)].sort((a, b) => b - a);
    const contrast = (more + 0.05) / (less + 0.05);
    if (contrast < 4.5) found.add(`"${said}" has a contrast of ${contrast.toFixed(2)}`);
  }
  for (const svg of document.querySelectorAll("svg")) {
    const names = [...svg.querySelectorAll("text")]
      .map((text) => [text.textContent, text.getBoundingClientRect()]);
    names.forEach(([one, a], place) => names.slice(place + 1).forEach(([other, b]) => {
      const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (across > 1 && down > 3) found.add(`"${one}" lies on "${other}"`);
    }));
  }
  for (const box of document.querySelectorAll("*"))
    if (/auto|scroll/.test(getComputedStyle(box).overflowX) && box.scrollWidth > box.clientWidth + 1
      && box.tabIndex < 0) found.add(`${box.className} scrolls and cannot be focused`);
  return [...found];
}"""


@contextmanager
def browser() -> Iterator[Any]:
    """A browser, open as long as the block."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


def hinders(*files: Path) -> list[str]:
    """What hinders reading on each of the pages, with everything that folds opened."""
    found = []
    with browser() as opened:
        for file, scheme in product(files, ("light", "dark")):
            page = opened.new_page(color_scheme=scheme)
            page.goto(file.resolve().as_uri())
            page.evaluate("document.querySelectorAll('details').forEach((one) => one.open = true)")
            for width in (1280, 400):
                page.set_viewport_size({"width": width, "height": 900})
                seen = page.evaluate(HINDERS)
                found += [f"{file}, {width} px, {scheme}: {one}" for one in seen]
            page.close()
    return found
