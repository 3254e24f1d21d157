"""Each kind of page in a browser: nothing too wide on a phone, readable in light and dark, few pages in print."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from mmsent_cli.reports.blocks import Examples
from mmsent_cli.reports.examples import AugmentedImage
from mmsent_cli.reports.explanation import explanation_figures
from mmsent_cli.reports.outputs import REPORTS, run_files
from mmsent_cli.reports.page import keep_options_whole
from mmsent_cli.results import CheckResult, Finding
from mmsent_cli.training.describe import fusion_part, model_parts
from tests.browser import CONTRASTS, WIDER, open_browser
from tests.data.builders import image_bytes
from tests.reports.pages import EXAMPLE, particulars
from tests.reports.test_encoding import RESULT as ENCODING
from tests.reports.test_explanation import explain_result
from tests.reports.test_trained import COUNTS, random_confidence, resolved
from tests.undrawn import leave_out_pixels

PAGES = {
    "train": 5,
    "folds": 6,
    "compare": 8,
    "augment": 7,
    "ablate": 7,
    "tune": 5,
    "paper": 20,
    "evaluate": 6,
    "models": 4,
    "explain": 4,
    "encoding": 4,
}
"""The most A4 pages of each kind; a training's and a comparison's are those that were asked for."""
NOTES = tuple(f"a note of usual length on what was read and what was left out, number {number}" for number in range(5))
OTHERS = {"explain": explain_result(), "encoding": ENCODING}
"""Results without a training."""
LONG = "a/very/long/path/without/any/space/" * 4


@pytest.fixture(scope="module")
def browser():
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def page_of(results):
    """Makes the page of a kind once, with blank figures."""

    @cache
    def page(name):
        with pytest.MonkeyPatch.context() as patch:
            leave_out_pixels(patch)
            return full_page(name, OTHERS[name] if name in OTHERS else results[name])

    return page


def full_page(name, result):
    """A page with examples, settings, long names, and a finding where there can be one."""
    model, config = resolved(encoders="compact")
    changes = {"notes": NOTES} if hasattr(result, "notes") else {}
    if name in ("train", "folds"):
        changes |= {"parts": model_parts(model), "source": LONG}
    if name == "compare":
        changes |= {"arms": tuple(replace(arm, layer=fusion_part(arm.fusion)) for arm in result.arms)}
    if hasattr(result, "findings"):
        changes["findings"] = (Finding(kind="majority", message=f"it is no better than {LONG}"),)
    pixels = np.full((8, 8, 3), 99, dtype=np.uint8)
    shown = tuple(replace(EXAMPLE, guid=str(number), text="A text of usual length. " * 5) for number in range(6))
    parts = particulars(
        config=config,
        environment={
            "packages": {f"package-{number}": "1.2.3" for number in range(11)},
            "data": {"digest": "0af9" * 16},
        },
        counts=COUNTS,
        date="2026-01-02",
        confidence=random_confidence() if name in ("train", "folds") else None,
        augmented=[AugmentedImage("strong", pixels, [pixels] * 4)] * 4 if name == "augment" else (),
        examples=Examples() if name in OTHERS else Examples(groups=(("Wrong", shown), ("Right", shown))),
        drawn=explanation_figures(result, {"7": image_bytes(1, (60, 40))}) if name == "explain" else None,
        command=f"mmsent train --data {LONG}",
    )
    return run_files(replace(result, **changes), parts)["report.html"]


def test_every_kind_of_page_is_opened(results):
    kinds = {type(result) for result in results.values()} | {type(explain_result()), type(ENCODING)}
    assert kinds == set(REPORTS) - {CheckResult}
    assert PAGES.keys() == {*results, "explain", "encoding"}


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_wider_than_a_phone_and_all_images_have_a_text(browser, page_of, name):
    browser.open(page_of(name), width=390)
    assert browser.evaluate("document.documentElement.scrollWidth") == 390
    assert browser.evaluate(WIDER) == []
    assert browser.evaluate("[...document.images].filter(one => !one.alt).length") == 0
    assert (browser.evaluate("document.images.length") > 0) == (name != "encoding")  # which has no figures


@pytest.mark.parametrize("is_dark", [False, True])
@pytest.mark.parametrize("name", PAGES)
def test_each_text_has_enough_contrast(browser, page_of, name, is_dark):
    browser.open(page_of(name), is_dark=is_dark)
    assert len(browser.evaluate(CONTRASTS)) > 50
    assert browser.low_contrasts() == []


@pytest.mark.parametrize("name", PAGES)
def test_a_printed_page_is_short(browser, page_of, name):
    browser.open(page_of(name))
    assert 1 <= browser.printed_pages() <= PAGES[name]


@pytest.mark.parametrize("name", PAGES)
def test_tables_fit_a_screen_and_no_option_is_broken(browser, page_of, name):
    browser.open(page_of(name))
    scrolled = "[...document.querySelectorAll('.scroll')].filter(one => one.scrollWidth > one.clientWidth)"
    assert browser.evaluate(f"{scrolled}.map(one => one.innerText.slice(0, 60))") == []
    browser.show(390)
    broken = "[...document.querySelectorAll('.option')].filter(one => one.getClientRects().length > 1)"
    assert browser.evaluate(f"{broken}.length") == 0


def test_options_are_found_in_texts_alone():
    page = keep_options_whole('<style>--x: 1</style><p title="--no">use --head-lr 1, a--b</p><pre>mmsent --all</pre>')
    option = '<span class="option">--head-lr</span>'
    assert page == f'<style>--x: 1</style><p title="--no">use {option} 1, a--b</p><pre>mmsent --all</pre>'
