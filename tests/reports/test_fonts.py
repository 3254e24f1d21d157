"""Names in any script: drawn where an installed font has their letters, numbered where none has."""

import warnings
from dataclasses import replace

import pytest
from matplotlib import font_manager

from mmsent_cli.reports import plot_style
from mmsent_cli.reports.blocks import Examples
from mmsent_cli.reports.figures import draw_confusion
from mmsent_cli.reports.outputs import run_files
from mmsent_cli.reports.plot_style import as_image
from tests.reports.pages import particulars
from tests.reports.pictures import cut, texts_of

COUNTS = ((8, 1), (2, 3))
SCRIPTS = {
    "Latin": ("$x_{1$", "très positif"),
    "Chinese": ("积极", "消极"),
    "Japanese": ("ポジティブ", "否定的"),
    "Korean": ("긍정", "부정"),
    "Arabic": ("إيجابي", "سلبي"),
    "Cyrillic": ("позитив", "негатив"),
    "Devanagari": ("सकारात्मक", "नकारात्मक"),
    "no script": ("\U000e0123\U00010d41", "\U00011f00"),
}


@pytest.fixture
def only_default(monkeypatch):
    """A system whose only font is matplotlib's own."""
    monkeypatch.setattr(font_manager, "findSystemFonts", list)
    own = [entry for entry in font_manager.fontManager.ttflist if entry.name == plot_style.DEFAULT]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", own)
    clear()
    yield
    clear()


def clear():
    for cached in (plot_style._choose, plot_style._families, plot_style._letters):
        cached.cache_clear()


@pytest.mark.parametrize("script", SCRIPTS)
def test_no_figure_shows_a_box(script):
    labels = SCRIPTS[script]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = draw_confusion(COUNTS, labels)
        assert as_image(figure)
    shown = [text.get_text() for text in texts_of(figure)]
    lacking = plot_style.undrawable(labels)
    for number, label in enumerate(labels, start=1):
        assert shown.count(str(number) if label in lacking else label) >= 2
    assert cut(figure) == []
    assert not lacking or script not in ("Latin", "Cyrillic")


def test_a_name_that_no_font_has_is_numbered_and_said_once(only_default, train_result):
    labels = ("positive", "消极", "中性")
    assert plot_style.undrawable(labels) == ["消极", "中性"]
    assert plot_style.drawable(labels) == ["positive", "2", "3"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        as_image(draw_confusion(train_result.best.confusion, labels))
    page = run_files(replace(train_result, labels=labels), particulars(examples=Examples()))["report.html"]
    assert page.count("2 is 消极, 3 is 中性") == 1


def test_a_font_installed_after_matplotlib_made_its_list_is_found(only_default, monkeypatch, tmp_path):
    found = []
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [str(tmp_path / "new.ttf")])
    monkeypatch.setattr(font_manager.fontManager, "addfont", found.append)
    assert plot_style.undrawable(["消极"]) == ["消极"]
    assert found == [str(tmp_path / "new.ttf")]


def test_placeholders_for_letters_without_a_glyph_are_no_font():
    """matplotlib brings a font that has a box for every letter."""
    assert not [family for family in plot_style.families_for(["中文", "語", "ქართული"]) if "Resort" in family]
