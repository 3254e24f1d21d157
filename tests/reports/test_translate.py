"""Reports in Chinese: nothing of a page, a figure or a terminal summary stays English but names, commands and terms."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from mmsent_cli.api import check
from mmsent_cli.checks.collect import FolderFacts, HubFacts, TorchFacts, WeightFacts
from mmsent_cli.checks.machine import machine_outcomes
from mmsent_cli.compute.gpu import GpuFacts
from mmsent_cli.reports import examples
from mmsent_cli.reports.blocks import Examples
from mmsent_cli.reports.checks import print_env
from mmsent_cli.reports.confidence import Confidence, with_findings
from mmsent_cli.reports.outputs import REPORTS, print_result, run_files
from mmsent_cli.reports.plot_style import undrawable
from mmsent_cli.reports.translate import language_of, translate_figure, translate_page, translated, translator
from mmsent_cli.results import IGNORES_IMAGE, IGNORES_TEXT, MAJORITY, NEVER_ANSWERED, ONE_CLASS, EnvResult, Finding
from mmsent_cli.results.training import noted
from tests.checks.test_machine import CUDA, GB, GOOD, H100, PLAIN
from tests.data.builders import TAGS, image_bytes, write_lab
from tests.reports.pages import Page, particulars
from tests.reports.test_explanation import explain_result

pytestmark = pytest.mark.usefixtures("unpainted")
KINDS = ("train", "folds", "compare", "augment", "ablate", "tune", "evaluate", "models", "paper")
KEPT = re.compile(
    r"only here|in both|BERT-base|BERT|ResNet18|compare-fusions|A1,A2,A3 B1,B2,B3"
    r"|runs/\S+|mmsent [a-z-]+|--[a-z][\w-]*"
    r"|\w+\.(png|html|pt|txt)|data: \[here\]|arXiv [\d.]+|split grouped|logit adjustment"
    r"|(?<![a-z])(F1|p|s|cpu|fp32|fp16|bf16|gb18030|auto|U\+FFFD|Holm|McNemar|Shapley|EMAP|dropout|encoder_lr|weight_decay|tpe|Parzen|Kolmogorov-Smirnov|pairs\.csv|language|de|en|Satterthwaite|sd"
    r"|compact|light|clip|concat|weighted|self-attention|early|blip-advanced|blip|text-only|image-only|standard|none"
    r"|grouped|[0-9a-f]{6,8}|MiniLM|MPNet|lexicon|MB|px|python|packages|torch|negative|neutral|positive)(?![a-z])"
)
"""What stays as it is: names of encoders, fusions, classes and files, commands, and terms of the field."""


NAMED = re.compile(r"--[\w-]+|[\w./-]*/[\w./-]+|[\w-]+\.(csv|txt|jpg|pt|json)|mmsent( [\w-]+)+|(hf|timm):[\w-]+")
"""Options, paths, files and commands."""


def english(text):
    """The English that is left in a text."""
    return re.findall(r"[A-Za-z]{2,}", KEPT.sub("", text))


def half_english(text):
    """The first three English words in a row, which are a piece of a sentence and not a name."""
    found = re.search(r"[A-Za-z][a-z']+(?:[ ,]+[A-Za-z][a-z']*){2,}", KEPT.sub("·", NAMED.sub("·", text)))
    return found.group() if found else ""


class Prose(Page):
    """Text outside examples, code, settings and environment; those are marked as not to be translated."""

    def __init__(self, html):
        self.kept, self.prose = [], []
        super().__init__(re.sub('<span class="option">(.*?)</span>', r"\1", html))

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
    page = Prose(chinese_page(name, drawn={} if name == "paper" else None))  # its steps' figures are in other pages
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


FINDINGS = {
    ONE_CLASS: "the model predicts positive for all 200 pairs",
    MAJORITY: "the model's accuracy, 60.5 %, is not distinguishable from the 60.0 % of always predicting positive",
    NEVER_ANSWERED: "the model never predicts negative or neutral",
    IGNORES_TEXT: "the model ignores the text: with the text of another pair, 1 of 200 predictions change",
    IGNORES_IMAGE: "the model ignores the image: with the image of another pair, 0 of 200 predictions change",
}
ADVICE = (
    "try more epochs (--epochs 10), a higher learning rate (--head-lr 0.005) or weighted classes "
    "(--class-weights balanced)"
)


def with_finding(result, kind):
    """The result with a finding, of all its arms where it is a comparison."""
    finding = Finding(kind=kind, message=FINDINGS[kind], advice=ADVICE)
    if hasattr(result, "findings"):
        return replace(result, findings=(finding,), notes=noted((finding,), result.notes))
    return replace(result, arms=tuple(replace(arm, findings=(finding,)) for arm in result.arms))


def prose(result, **changes):
    """Every text and alternative text of a page in Chinese."""
    page = Prose(run_files(result, particulars(language="zh", examples=Examples(), **changes))["report.html"])
    return [*page.prose, *(image["alt"] for image in page.images)]


def test_a_finding_and_its_advice_stay_apart_in_chinese():
    translate = translator("zh")
    for finding in FINDINGS.values():
        said = translate(f"{finding}; {ADVICE}")
        assert said == f"{translate(finding)}；{translate(ADVICE)}"
        assert said.count("--") == 3


@pytest.mark.parametrize("kind", FINDINGS)
@pytest.mark.parametrize("name", ["train", "folds", "tune", "ablate", "compare"])
def test_what_a_model_has_not_learned_is_said_in_chinese(results, name, kind):
    result = with_finding(results[name], kind)
    answer = with_findings(REPORTS[type(result)].answer(result, 60.0), result)
    shown = translated(answer, translator("zh", ("negative", "neutral", "positive")))
    assert shown.warnings or (name == "compare" and kind not in (ONE_CLASS, MAJORITY))
    assert [text for text in (shown.headline, *shown.warnings, *shown.notes) if half_english(text)] == []


def test_explanations_and_checks_are_in_chinese(undrawn, damaged_lab, capsys, monkeypatch):
    explained = [explain_result(1), explain_result(2), replace(explain_result(), method="gradients")]
    assert [text for result in explained for text in prose(result, drawn={}) if half_english(text)] == []
    settings = {"encoders": "light", "image_size_px": 64, "max_length_tokens": 6, "on_bad": "blank"}
    checked = check(damaged_lab, **settings).result
    assert len([one for one in checked.checks if one.pairs]) > 10
    assert [text for text in prose(checked) if half_english(text)] == []
    monkeypatch.setenv("COLUMNS", "1000")
    print_result(checked, folder="runs/x", files=(), seconds=1.0, language="zh")
    assert [line for line in capsys.readouterr().out.splitlines() if half_english(line)] == []


@pytest.fixture
def damaged_lab(tmp_path, monkeypatch):
    """40 pairs with most of what a check finds: duplicates, missing and broken files, texts without words."""
    monkeypatch.chdir(tmp_path)
    data = write_lab(tmp_path / "lab", {str(n): TAGS[n % 3] for n in range(1, 41)}, ("101", "102")) / "data"
    for path in data.glob("*.txt"):
        path.write_text(f"{path.stem} says what it says", encoding="utf-8")
        path.with_suffix(".jpg").write_bytes(image_bytes(int(path.stem), (48, 40)))
    for target in ("2.txt", "2.jpg", "3.txt", "101.txt"):
        (data / target).write_bytes((data / f"1{Path(target).suffix}").read_bytes())
    (data / "5.jpg").unlink()
    (data / "6.jpg").write_bytes(b"no image")
    (data / "7.txt").unlink()
    (data / "8.txt").write_text("https://t.co/abc")
    (data / "9.txt").write_text("今天天气很好" * 3, encoding="utf-8")
    (data / "999.txt").write_text("in no list")
    return data.parent


SHOWN = re.compile(
    r"torch [\d.+a-z]+|CUDA [\d.]+|SHA-256|MiniLM-L6|NVIDIA H100|Tesla K80|Apple GPU|pip install .*|hf download .*"
)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"gpu": GpuFacts(driver="550.54", driver_cuda="12.8")},
        {
            "gpu": GpuFacts(problem="Driver/library version mismatch"),
            "torch": TorchFacts(version="", problem="no file"),
        },
        {"gpu": GpuFacts(has_card=True), "torch": CUDA},
        {"gpu": GpuFacts(driver="580.1"), "torch": replace(CUDA, devices=(H100,), threads=9)},
        {
            "torch": replace(PLAIN, has_mps=True, threads=2),
            "free_memory_bytes": GB,
            "hub": HubFacts(endpoint="https://hub", is_reachable=None),
        },
        {"unmet": ("numpy 1.0, needed is 2.0",), "folders": (FolderFacts(purpose="runs", path="/r", free_bytes=0),)},
        {"weights": (WeightFacts(name="CLIP", needed_by="clip"),), "cache_bytes": {"features": 99 * GB}},
        {"extras": {"serve": (), "ocr": ("rapidocr",)}},
    ],
)
def test_the_checks_of_a_machine_are_in_chinese(changes, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "1000")
    checks = machine_outcomes(replace(GOOD, **changes))
    facts = {"CPU": "x86, 2 of 4 cores", "GPU": "none that torch can use", "Memory": "16.0 GB"}
    print_env(
        EnvResult(can_train=True, checks=checks, facts=facts, minutes={}, predicted_per_second={}, weights={}), "zh"
    )
    lines = [SHOWN.sub("", line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) > 15
    assert [line for line in lines if half_english(line)] == []


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
        "train.txt (columns separated by ',', ascii): 127 rows: 120 used, 7 skipped (7 over --limit), 0 with errors": (
            "train.txt（列分隔符 ','，编码 ascii）：共 127 行，使用 120 行，跳过 7 行（7 行超出 --limit），0 行有错误"
        ),
    }
    assert {note: translate(note) for note in notes} == notes


@pytest.mark.parametrize(
    "note",
    [
        "encoders: clip (its weights and a GPU are on this machine)",
        "engine: torch computes mpnet. OpenVINO cannot run it",
        "precision: fp32 (measured once: bf16 is not clearly faster on this CPU)",
        "feature store: 2 damaged entries were found and computed again",
        "3.1 % of all tokens are unknown to minilm",
        "12 pairs have near-duplicates, 4 of them with conflicting labels: see pairs_to_check.csv",
        "the best encoder_lr, 5e-05, is the largest tried: try 8.3e-05",
        "only 296 labelled pairs are used (--limit 300, 4 of them dropped)",
        "12 characters in 3 texts could not be decoded and became U+FFFD",
        "3 texts without words, such as links alone (guids: 1; 2; 3)",
        "6 texts without words, such as links alone (guids: 1; 2; 3; 4; 5; and 1 more guid)",
        "1 text without words, such as links alone (guids: 1)",
        "50 of 60 pairs share one image (that of pair 7), probably a placeholder, so these pairs do not count "
        "as near-duplicates; give the "
        "pairs their own images, or train with --fusion text-only",
        "warning: 30 of 40 texts are not in Latin script (Chinese 80 % of all letters), and the text encoder minilm "
        "was trained on English; use a multilingual one, such as --text-encoder hf:xlm-roberta-base (Chinese: "
        "hf:bert-base-chinese), or --encoders light, which learns from your texts",
        "pairs.csv has no column 'guid': its rows are numbered from 1",
        "5 pairs without a usable image; the model does not need it",
        "1 pair without a usable text; the model does not need it",
        "1 character in 1 text could not be decoded and became U+FFFD",
        "not used: 1 row without a prediction or without a label",
        "one seed: the intervals do not cover the choice of seed, and another seed may change a verdict; use --seeds 3",
        "the training pairs are unknown, so the scores may include pairs that were in training",
        "20 of 20 pairs were used in training, or share text or image with a training pair: these scores show "
        "memory; to measure predictions of new pairs, use other pairs",
        "90 of 1,200 pairs were used in training, or share text or image with a training pair. The scores are those of "
        "the other 1,110",
        "few evaluated pairs of negative (5), neutral (3): intervals of macro-F1 are probably too narrow",
        "the scores are optimistic, since the pairs are validation pairs of the training",
        "runs/a/best_model.pt is scored without 3 pairs that it was trained on",
        "if the model was trained on some of these pairs, its scores here are too high",
    ],
)
def test_no_note_is_half_english(note):
    assert half_english(note)
    assert half_english(translator("zh")(note)) == ""


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


def test_texts_whose_label_looks_wrong_are_kept(results):
    text = "violets blue, roses red; Loss"
    confidence = Confidence(bins=(), answered=(), majority=0.5, doubtful=(("1", "neutral", "positive", 0.9, text),))
    parts = particulars(language="zh", examples=Examples(), confidence=confidence)
    assert text in Page(run_files(results["folds"], parts)["report.html"]).text


def test_names_of_a_figure_keep_their_lines(results):
    translate = translator("zh")
    figure = REPORTS[type(results["models"])].figures(results["models"])["differences"]
    translate_figure(figure, translate)
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert all(name.count("\n") == 1 for name in names)


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
