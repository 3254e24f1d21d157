"""Reports in Chinese: nothing of a page, a figure or a terminal summary stays English but names, commands and terms."""

import re
from pathlib import Path

import pytest

from mmsent_cli.reports import examples
from mmsent_cli.reports.blocks import Examples
from mmsent_cli.reports.fonts import undrawable
from mmsent_cli.reports.outputs import REPORTS, print_result, run_files
from mmsent_cli.reports.translate import (
    language_of,
    translate_figure,
    translate_page,
    translated,
    translator,
)
from tests.reports.pages import Page, particulars

KINDS = ("train", "folds", "compare", "augment", "ablate", "tune", "evaluate")
KEPT = re.compile(
    r"runs/\S+|mmsent( [\w./-]+)+|\w+\.(png|html|pt|txt)|data: \[here\]|arXiv [\d.]+|split grouped|logit adjustment"
    r"|(?<![a-z])(F1|p|s|cpu|fp32|fp16|bf16|gb18030|auto|U\+FFFD|Holm|McNemar|Shapley|EMAP|dropout|encoder_lr|weight_decay|tpe|Parzen|Kolmogorov-Smirnov|pairs\.csv|language|de|en|Satterthwaite|sd"
    r"|compact|light|clip|concat|weighted|self-attention|early|blip-advanced|blip|text-only|image-only|standard|none"
    r"|grouped|[0-9a-f]{8}|MiniLM|MPNet|lexicon|MB|px|python|packages|torch|negative|neutral|positive)(?![a-z])"
)
"""What stays as it is: names of encoders, fusions, classes and files, commands, and terms of the field."""


def english(text):
    """The English that is left in a text."""
    return re.findall(r"[A-Za-z]{2,}", KEPT.sub("", text))


class Prose(Page):
    """Text outside examples, code, settings and environment; those are marked as not to be translated."""

    def __init__(self, html):
        self.kept, self.prose = [], []
        super().__init__(html)

    def handle_starttag(self, tag, attrs):
        super().handle_starttag(tag, attrs)
        if len(self.open) > len(self.kept):
            self.kept.append(("translate", "no") in attrs or tag in ("code", "style", "b") or any(self.kept[-1:]))

    def handle_endtag(self, tag):
        super().handle_endtag(tag)
        self.kept.pop()

    def handle_data(self, data):
        super().handle_data(data)
        if not any(self.kept[-1:]):
            self.prose.append(" ".join(data.split()))


@pytest.fixture
def chinese_page(results):
    def page(name, **changes):
        return run_files(results[name], particulars(language="zh", examples=Examples(), **changes))["report.html"]

    return page


@pytest.mark.parametrize("name", KINDS)
def test_no_english_is_left_in_a_page(chinese_page, name):
    page = Prose(chinese_page(name))
    assert page.open == page.badly_closed == []
    left = {text: words for text in page.prose if (words := english(text))}
    left |= {image["alt"]: words for image in page.images if (words := english(image["alt"]))}
    assert left == {}


@pytest.mark.parametrize("name", KINDS)
def test_no_english_is_left_in_a_terminal(results, capsys, monkeypatch, name):
    monkeypatch.setenv("COLUMNS", "400")
    print_result(results[name], folder="runs/x", files=("report.html",), seconds=75.0, language="zh")
    lines = capsys.readouterr().out.splitlines()
    assert {line: words for line in lines if (words := english(line))} == {}


@pytest.mark.skipif(bool(undrawable(["中文"])), reason="no installed font has Chinese letters")
@pytest.mark.parametrize("name", KINDS)
def test_no_english_is_left_in_a_figure(results, name):
    from matplotlib.text import Text

    translate = translator("zh", ("negative", "neutral", "positive"))
    for figure in REPORTS[type(results[name])].figures(results[name]).values():
        translate_figure(figure, translate)
        figure.draw_without_rendering()
        assert [text for part in figure.findobj(Text) if (text := part.get_text()) and english(text)] == []


def test_headings_and_remarks_of_examples_are_translated():
    translate = translator("zh", ("negative", "positive"))
    sources = Path(examples.__file__).read_text(encoding="utf-8")
    headings = re.findall(r'^ +"([A-Z][^"]+)": ', sources, re.MULTILINE)
    assert len(headings) >= 10
    remarks = ["predicted by 3 of 6 models; negative 2", "text alone negative, image alone positive"]
    assert [text for text in (*headings, *remarks) if english(translate(text))] == []


def test_notes_of_a_training_are_translated():
    """Notes are made in English where they arise, and are kept so in `result.json`."""
    translate = translator("zh")
    notes = {
        "data: data/sample (--data)": "数据：data/sample（--data）",
        "only 120 labelled pairs are used (--limit 120)": "只用了 120 个标注样本（--limit 120）",
        "train.txt (columns separated by ',', ascii): 120 rows read, 7 skipped (7 over --limit), 0 refused": (
            "train.txt（列分隔符 ','，编码 ascii）：读取 120 行，跳过 7 行（7 行超出 --limit），拒绝 0 行"
        ),
    }
    assert {note: translate(note) for note in notes} == notes


def test_names_and_texts_of_the_data_are_kept(results):
    """A class may be called as a word of the report, and a tweet may be one."""
    translate = translator("zh", ("Loss",))
    assert translate("Loss") == "Loss"
    assert translate("Macro-F1") == "宏平均 F1"
    assert translated(("Loss", ["Macro-F1"], 3), translate) == ("Loss", ["宏平均 F1"], 3)
    kept = '<p translate="no">Loss <i>Scores</i></p><code>Scores</code>'
    page = f'<html lang="en"><body>{kept}<p>Scores &lt;3</p></body></html>'
    assert translate_page(page, "zh", translator("zh")) == page.replace('"en"', '"zh"')
    assert "指标" in translate_page(page.replace(" &lt;3", ""), "zh", translator("zh"))


def test_english_pages_do_not_change(results):
    page = run_files(results["train"], particulars())["report.html"]
    assert translate_page(page, "en", translator("en")) == page
    assert '<html lang="en">' in page


@pytest.mark.parametrize(
    ("setting", "locale", "language"),
    [
        ("en", "zh_CN.UTF-8", "en"),
        ("zh", "en_US.UTF-8", "zh"),
        ("auto", "zh_CN.UTF-8", "zh"),
        ("auto", "zh", "zh"),
        ("auto", "en_US.UTF-8", "en"),
        ("auto", "", "en"),
    ],
)
def test_the_language_follows_the_locale_only_if_asked(monkeypatch, setting, locale, language):
    for name in ("LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", locale)
    assert language_of(setting) == language


def test_what_is_not_in_the_table_stays_english():
    translate = translator("zh")
    assert translate("an unknown note; 12 s") == "an unknown note；12 秒"
    assert translate("  nothing known  ") == "  nothing known  "
