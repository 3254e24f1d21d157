"""A headless Chromium, driven by Playwright: opens a page, evaluates JavaScript in it, and prints it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright
from pypdf import PdfReader

INSTALLED = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome-headless-shell")
"""Names of an installed browser; without one, the browser of Playwright is used, which `make test` downloads."""
CONTRASTS = """
(() => {
  const parsed = text => text.match(/[\\d.]+/g).map(Number);
  const linear = part => part <= 10.31 ? part / 3294.6 : ((part / 255 + 0.055) / 1.055) ** 2.4;
  const luminance = rgb => 0.2126 * linear(rgb[0]) + 0.7152 * linear(rgb[1]) + 0.0722 * linear(rgb[2]);
  const background = element => {
    const behind = element.parentElement ? background(element.parentElement) : [255, 255, 255];
    const [red, green, blue, alpha = 1] = parsed(getComputedStyle(element).backgroundColor);
    return [red, green, blue].map((part, at) => alpha * part + (1 - alpha) * behind[at]);
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const parent = walker.currentNode.parentElement, text = walker.currentNode.textContent.trim();
    if (!text || ["STYLE", "SCRIPT"].includes(parent.tagName)) continue;
    const [darker, lighter] = [luminance(parsed(getComputedStyle(parent).color)), luminance(background(parent))]
      .sort((a, b) => a - b);
    found.push([(lighter + 0.05) / (darker + 0.05), text]);
  }
  return found;
})()
"""
"""Each text of a page, with its contrast to the backgrounds behind it, which may be translucent."""
WIDER = """
[...document.querySelectorAll("body *")]
  .filter(one => one.getBoundingClientRect().right > innerWidth + 1 && !one.closest(".scroll, pre"))
  .map(one => one.outerHTML.slice(0, 90))
"""
"""Elements that reach over the right edge, without those that scroll by themselves."""
LEAST_CONTRAST = 4.5
"""Of text, as WCAG 2.2 asks for (success criterion 1.4.3)."""


class Browser:
    """One browser with one page."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def open(self, html: str, width: int = 1280, is_dark: bool = False) -> None:
        """Load a page into a window of that width."""
        self.show(width, is_dark)
        self.page.set_content(html)

    def show(self, width: int = 1280, is_dark: bool = False) -> None:
        """Change the width of the window and the color scheme."""
        self.page.set_viewport_size({"width": width, "height": 844})
        self.page.emulate_media(color_scheme="dark" if is_dark else "light")

    def evaluate(self, code: str):
        return self.page.evaluate(code)

    def low_contrasts(self) -> list[str]:
        """The texts of the page whose contrast to their background is under 4.5, which readers of poor sight need."""
        return [text for contrast, text in self.evaluate(CONTRASTS) if contrast < LEAST_CONTRAST]

    def printed_pages(self) -> int:
        """The number of A4 pages that the page takes in print."""
        return len(PdfReader(BytesIO(self.page.pdf(format="A4"))).pages)


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Start the browser; a machine without one skips the test."""
    with sync_playwright() as playwright:
        place = installed_browser() or playwright.chromium.executable_path
        if not Path(place).exists():
            pytest.skip("no browser: run `make browser`, or install chromium")
        started = playwright.chromium.launch(executable_path=place, args=["--hide-scrollbars"])
        yield Browser(started.new_page())
        started.close()


def installed_browser() -> str | None:
    """The path of an installed Chromium or Chrome; $MMSENT_TEST_BROWSER names another one."""
    named = os.environ.get("MMSENT_TEST_BROWSER")
    return named or next((found for name in INSTALLED if (found := shutil.which(name))), None)
