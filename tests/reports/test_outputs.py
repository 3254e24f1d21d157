"""Every kind of result: its page is whole, refers to nothing outside and holds its tables, figures and examples; what a
terminal shows keeps to 80 columns and breaks no number."""

import base64
import os
import re
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from matplotlib.text import Text

from mmsent_cli.config import PROBES
from mmsent_cli.finished_run import DOUBTFUL, write_result
from mmsent_cli.reports.blocks import Examples, Grid, Section, filled
from mmsent_cli.reports.confidence import Confidence
from mmsent_cli.reports.folds import MEMBER_NAMES
from mmsent_cli.reports.outputs import REPORTS, print_result, run_files, step_figures
from mmsent_cli.results import IGNORES_TEXT, ONE_CLASS, CheckResult, EncodingResult, ExplainResult, Finding, noted
from mmsent_cli.run_folders import CONFIG, ENVIRONMENT, Run
from tests.reports.experiments import ablate_result, compare_result, setting
from tests.reports.pages import COMMAND, PICKED, Page, particulars

FILES = {
    "train": ["curves.png", "confusion.png"],
    "folds": ["confusion.png"],
    "compare": ["accuracy.png", "differences.png", "curves.png", "losses.png", "weights.png"],
    "augment": ["accuracy.png", "differences.png", "curves.png", "losses.png"],
    "ablate": ["ablation.png", "contributions.png"],
    "tune": ["tuning.png", "losses.png"],
    "paper": ["fusions.png", "augmentation.png"],
}
HEADINGS = {
    "train": ["Set-up", "What was trained", "Scores", "Classes", "Figures"],
    "folds": ["Set-up", "Scores", "Classes", "Figures"],
    "compare": ["Set-up", "Differences", "Accuracy", "Classes", "Learned weights", "How"],
    "augment": ["Set-up", "Differences", "Accuracy", "Classes", "How"],
    "ablate": [
        "Set-up",
        "With one modality or both",
        "Contributions of the modalities",
        "Interaction",
        "Classes",
        "How",
    ],
    "tune": ["Set-up", "Trials", "How"],
    "paper": ["Set-up", "1. Tuning", "2. Training", "3. Ablation", "4. Fusions", "5. Augmentation", "How"],
}
pytestmark = pytest.mark.usefixtures("coarse")
every_kind = pytest.mark.parametrize("name", FILES)


def files_of(result, **changes):
    return run_files(result, particulars(**changes))


def printed(capsys, monkeypatch, result, columns=80, **changes):
    monkeypatch.setenv("COLUMNS", str(columns))
    values = {"folder": "runs/x", "files": ("curves.png", "[a]/report.html"), "seconds": 75.0}
    print_result(result, **(values | changes))
    return capsys.readouterr().out


def numbers(grids):
    return [cell for g in grids for row in g.rows for place, cell in enumerate(row) if place not in g.words]


def test_every_kind_of_result_is_swept(results):
    elsewhere = {ExplainResult, CheckResult, EncodingResult}  # their pages have tests of their own
    assert {type(result) for result in results.values()} == set(REPORTS) - elsewhere


def written(figure, *_):
    """The texts of a figure, instead of its pixels."""
    return b"\x89PNG" + "\n".join(text.get_text() for text in figure.findobj(Text)).encode()


@pytest.fixture(scope="module")
def drawn(results):
    """The files of a kind of result, made once, and the figures of its steps; without pixels."""

    def files(name):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("mmsent_cli.reports.outputs.as_image", written)
            return files_of(results[name]), step_figures(results[name]) if name == "paper" else {}

    return cache(files)


@every_kind
def test_page_is_whole_and_holds_all_that_the_result_does(results, drawn, name):
    result = results[name]
    files, steps = drawn(name)
    files = dict(files)
    html = files.pop("report.html")
    page = Page(html)
    assert page.open == page.badly_closed == []
    assert page.addresses
    assert all(address.startswith(("data:image/", "#part-")) for address in page.addresses)
    assert all(f'id="{address[1:]}"' in html for address in page.addresses if address.startswith("#"))
    assert any(address.startswith("#") for address in page.addresses) is (name == "paper")
    assert not re.search(r"@import|url\(|<script|<i>|<disagree>", html)
    assert all(image["alt"] for image in page.images)
    # Each figure is a file of the run, and the same bytes are in the page.
    files = {name: content for name, content in files.items() if not name.startswith("tables/")}
    assert list(files) == FILES[name]
    images = [base64.b64decode(image["src"].split(",")[1]) for image in page.images]
    assert sorted(images) == sorted([*files.values(), *steps.values(), b"JPG"])
    assert all(png.startswith(b"\x89PNG") for png in files.values())
    # Every cell of every table.
    rows = [[cell.replace("\u2212", "-").replace("\u00a0", " ") for cell in row] for row in page.rows]
    sections = REPORTS[type(result)].sections(result, {})
    wanted = [list(row) for one in sections for grid in (*one.grids, *one.folded) for row in grid.rows]
    assert len(wanted) >= 7
    assert [row for row in wanted if row not in rows] == []
    # Names and texts of any script, the settings, the environment and the command.
    assert "The arms <disagree> “今天” すばらしい <script>x</script>" in page.words
    assert "✗ predicted positive (50.0 %), is neutral; clip: <i>negative</i> · pair 7" in page.words
    for row in (["data labels", '["a", "<b>"]'], ["fit patience", "null"], ["packages.torch", "2.9.1"]):
        assert row in page.rows
    assert COMMAND in page.text
    assert "An empty group" not in page.words
    assert PICKED in page.words


@every_kind
def test_page_asks_answers_and_has_its_parts_in_order(drawn, name):
    html = drawn(name)[0]["report.html"]
    heads = re.findall(r"<h([12])[^>]*>(.*?)</h", html)
    assert heads[0][0] == "1"
    assert heads[0][1].endswith("?")
    titles = [title for level, title in heads if level == "2"]
    assert titles[-2:] == ["Examples", "Repeat it"]
    titles = titles[:-2]
    assert [title.startswith(start) for title, start in zip(titles, HEADINGS[name], strict=True)] == [True] * len(
        titles
    )
    assert '<div class="headline">' in html
    assert "optimistic" in html or name == "folds"


@every_kind
def test_prints_all_tables_within_80_columns_and_breaks_no_number(results, name, capsys, monkeypatch):
    result = results[name]
    text = printed(capsys, monkeypatch, replace(result, notes=("see [red]/data[/red]",)) if name != "paper" else result)
    assert max(map(len, text.splitlines())) <= 80
    wanted = numbers(REPORTS[type(result)].grids(result))
    assert len(wanted) >= 9
    assert [cell for cell in wanted if cell not in text] == []
    assert "  [a]/report.html" in text
    assert "see [red]/data[/red]" in text or name == "paper"
    assert "\x1b" not in text
    answer = REPORTS[type(result)].answer(result, 75.0)
    assert answer.headline.split()[0] in text
    assert all(value for _, value in answer.facts)


def test_what_is_typed_next_is_the_last_line(results, capsys, monkeypatch):
    line = "mmsent train --config '/a long/path'" + "x" * 80
    assert printed(capsys, monkeypatch, results["tune"], next_commands=[line]).splitlines()[-1] == f"  {line}"


@pytest.mark.usefixtures("unpainted")
@pytest.mark.parametrize("name", ["train", "ablate", "tune", "paper"])
def test_a_finding_stands_in_the_headline_and_its_advice_below_it(results, capsys, monkeypatch, name):
    finding = Finding(kind=ONE_CLASS, message="the model predicts joy for all 81 pairs", advice="try more epochs")
    result = results[name]
    if name == "paper":
        result = replace(result, train=replace(result.train, findings=(finding,)))
    else:
        result = replace(result, findings=(finding,), notes=noted((finding,), result.notes))
    page = files_of(result)["report.html"]
    shown = " ".join(printed(capsys, monkeypatch, result).split())
    for text in (" ".join(page.split()), shown):
        assert text.count(f"but {finding.message}") == text.count(finding.message[1:]) == 1
        assert text.count("Try more epochs.") == 1
    assert "<strong>" not in page, "no accuracy in large letters"


def test_a_comparison_names_the_arms_that_have_learned_nothing(results, capsys, monkeypatch):
    (first, second, *rest) = results["compare"].arms
    finding = Finding(kind=ONE_CLASS, message="all joy")
    arms = (replace(first, findings=(finding,)), replace(second, findings=(finding,)), *rest)
    shown = " ".join(printed(capsys, monkeypatch, replace(results["compare"], arms=arms)).split())
    assert f"{first.name} and {second.name} give nearly every pair the same class" in shown.lower()


def test_compared_models_that_learned_nothing_or_ignore_a_modality_are_named(results, capsys, monkeypatch):
    first, second, third = results["models"].models
    flat, blind = Finding(kind=ONE_CLASS, message="all joy"), Finding(kind=IGNORES_TEXT, message="ignores the text")
    models = (replace(first, findings=(flat,)), replace(second, findings=(flat,)), replace(third, findings=(blind,)))
    shown = " ".join(printed(capsys, monkeypatch, replace(results["models"], models=models)).split())
    assert f"{first.name} and {second.name} give nearly every pair the same class." in shown.replace("Light", "light")
    assert f"{third.name} ignores the text." in shown.replace("Best", "best")


def test_paths_are_left_whole_and_a_table_too_wide_goes_on_below(train_result, capsys, monkeypatch):
    path = "runs/" + "long-name-" * 12 + "/best_model.pt"
    many = tuple(f"class-{number:02}" for number in range(20))
    best = replace(train_result.best, confusion=tuple(tuple(range(20)) for _ in many))
    wide = replace(train_result, labels=many, best=best, notes=("a long remark " * 20,))
    lines = printed(capsys, monkeypatch, wide, files=(path,)).splitlines()
    assert f"  {path}" in lines
    assert all(len(line) <= 80 for line in lines if path not in line)
    assert sum("class-19" in line for line in lines) > 2


def test_names_are_never_read_as_markup(train_result, capsys, monkeypatch):
    text = printed(capsys, monkeypatch, replace(train_result, encoders="[red]light[/red]"))
    assert "[red]light[/red]" in text


@pytest.mark.usefixtures("unpainted")
def test_class_and_arm_names_that_look_like_html_are_shown_as_they_are():
    labels = ("<neg>", "中性", "ポジティブ")
    result = compare_result(setup=setting(labels=labels, encoders="<b>x</b>"), notes=("a <note>",))
    page = Page(files_of(result, examples=Examples(), config={})["report.html"])
    assert page.open == page.badly_closed == []
    assert ["Classes", "<neg>, 中性, ポジティブ"] in page.rows
    assert "a <note>" in page.words
    assert "All settings" not in page.words
    assert "Examples" not in page.words


def test_figures_of_the_steps_that_are_there_are_not_drawn_again(paper_result):
    drawn = {"tune/tuning": b"\x89PNG drawn before"}
    page = Page(files_of(paper_result, examples=Examples(), drawn=drawn)["report.html"])
    images = [base64.b64decode(image["src"].split(",")[1]) for image in page.images]
    assert drawn["tune/tuning"] in images
    assert len(images) == 3


def test_nothing_but_the_whole_model_can_be_shown(capsys, monkeypatch):
    bare = ablate_result(arms=ablate_result().arms[:1], agreements=(), shapley=())
    assert "Shapley" not in printed(capsys, monkeypatch, bare)
    assert [name for name in files_of(bare) if "/" not in name] == ["ablation.png", "report.html"]


def test_offsets_are_listed_where_there_are_any(folds_result, capsys, monkeypatch):
    shifted = "negative +0.14, neutral +0.35, positive +0.00"
    assert shifted in " ".join(printed(capsys, monkeypatch, folds_result).split())
    plain = replace(folds_result, class_offsets=dict.fromkeys(folds_result.labels, 0.0))
    assert "logit adjustment" not in printed(capsys, monkeypatch, plain)


def test_every_probe_has_a_name():
    assert set(MEMBER_NAMES) == {"network", *PROBES}


def test_empty_tables_and_sections_are_left_out():
    empty, full = (
        Grid(name="e", title="e", columns=("",), rows=()),
        Grid(name="f", title="f", columns=("",), rows=(("x",),)),
    )
    sections = [
        Section(title="nothing", grids=(empty,), folded=(empty,)),
        Section(title="some", grids=(empty, full)),
        Section(title="folded", folded=(full,)),
    ]
    assert [(one.title, one.grids, one.folded) for one in filled(sections)] == [
        ("some", (full,), ()),
        ("folded", (), (full,)),
    ]


@pytest.mark.parametrize("is_private", [False, True])
def test_a_report_without_examples_quotes_no_text(tmp_path, monkeypatch, folds_result, is_private):
    run, shown = Run(tmp_path), []
    run.write_json(CONFIG, {"runtime": {"lang": "en", "no_examples": is_private}})
    run.write_json(ENVIRONMENT, {})
    monkeypatch.setattr("mmsent_cli.finished_run.run_files", lambda _, parts: shown.append(parts) or {})
    doubtful = (("7", "neutral", "positive", 0.9, "a private text"),)
    confidence = Confidence(bins=(), answered=(), majority=0.5, doubtful=doubtful)
    examples = Examples(groups=(("Wrong", ("an example",)),))
    parts = {"examples": examples, "confidence": confidence, "tables": {}}
    write_result(run, folds_result, **parts, command="mmsent train", start=0.0, counts={})
    assert bool(shown[0].examples.groups) is not is_private
    assert shown[0].confidence.doubtful == (() if is_private else doubtful)
    assert run.path(DOUBTFUL).exists() is not is_private


def test_a_figure_is_drawn_without_a_word_where_there_is_no_home(tmp_path):
    drawn = "from mmsent_cli.reports.plot_style import new_figure; new_figure(1).savefig('figure.png')"
    environment = {"PATH": os.environ["PATH"], "HOME": "/dev/null", "PYTHONPATH": str(Path.cwd())}
    ended = subprocess.run([sys.executable, "-c", drawn], cwd=tmp_path, env=environment, capture_output=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
