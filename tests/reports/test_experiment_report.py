"""Each experiment's page is whole, refers to nothing outside, and holds its tables, figures, examples and command."""

import base64

import pytest

from mmsent_cli.reports.ablation.tables import ablate_grids, class_grids
from mmsent_cli.reports.blocks import Grid, ReportExample, Section, filled
from mmsent_cli.reports.comparison.tables import compare_grids, mcnemar_grid
from mmsent_cli.reports.experiment_report import ablate_report, compare_report, tune_report
from mmsent_cli.reports.tuning.tables import tune_grids
from tests.reports.experiments import ablate_result, augment_result, compare_result, setting, tune_result
from tests.reports.pages import Page

CONFIG = {"fit": {"epochs": 5, "patience": None}, "data": {"labels": ["a", "<b>"]}}
ENVIRONMENT = {"python": "3.11.2", "packages": {"torch": "2.9.1"}}
COMMAND = "mmsent compare-fusions --data 'a & b'"
EXAMPLE = ReportExample(
    guid="7",
    text="“今天” すばらしい <script>x</script>",
    thumbnail_jpeg=b"JPG",
    true="neutral",
    predicted="positive",
    probability=0.5,
    remark="clip says <i>negative</i>",
)
GROUPS = [("The arms <disagree>", [EXAMPLE]), ("Nobody is here", [])]
PAGES = {
    "compare": (
        compare_report,
        compare_result(),
        (*compare_grids(compare_result()), mcnemar_grid(compare_result())),
        3,
    ),
    "augment": (compare_report, augment_result(), compare_grids(augment_result()), 2),
    "ablate": (ablate_report, ablate_result(), (*ablate_grids(ablate_result()), *class_grids(ablate_result())), 2),
    "tune": (tune_report, tune_result(), tune_grids(tune_result()), 1),
}


def html_of(name, groups=GROUPS):
    report, result, _, _ = PAGES[name]
    return report(result, CONFIG, ENVIRONMENT, groups, COMMAND, 75.0)


@pytest.fixture(params=PAGES)
def name(request):
    return request.param


def test_page_is_well_formed_and_refers_to_nothing_outside(name):
    html = html_of(name)
    page = Page(html)
    assert page.open == page.badly_closed == []
    assert page.addresses
    assert all(address.startswith("data:image/") for address in page.addresses)
    assert "@import" not in html
    assert "url(" not in html
    assert all(image["alt"] for image in page.images)


def test_page_holds_every_cell_of_every_table(name):
    grids = PAGES[name][2]
    rows = [[cell.replace("\u2212", "-").replace("\u00a0", " ") for cell in row] for row in Page(html_of(name)).rows]
    wanted = [list(row) for grid in grids for row in grid.rows]
    assert len(wanted) >= 8
    assert [row for row in wanted if row not in rows] == []


def test_page_holds_its_figures_and_thumbnails(name):
    images = [base64.b64decode(image["src"].split(",")[1]) for image in Page(html_of(name)).images]
    assert [content[:4] for content in images] == [b"\x89PNG"] * PAGES[name][3] + [b"JPG"]


def test_names_and_texts_are_escaped_in_any_script(name):
    html = html_of(name)
    assert "<script" not in html
    assert "<disagree>" not in html
    assert "<i>" not in html
    page = Page(html)
    assert "The arms <disagree>" in page.words
    assert "“今天” すばらしい <script>x</script>" in page.words
    assert "✗ predicted positive (50.0 %), is neutral; clip says <i>negative</i> · pair 7" in page.words
    assert ["data labels", '["a", "<b>"]'] in page.rows


def test_page_has_environment_settings_command_and_time_and_no_empty_group(name):
    page = Page(html_of(name))
    assert ["packages.torch", "2.9.1"] in page.rows
    assert ["fit epochs", "5"] in page.rows
    assert ["Time", "1 min 15 s"] in page.rows
    assert COMMAND in page.text
    assert "Nobody is here" not in page.words
    assert "Examples" not in Page(html_of(name, [("empty", [])])).words


def test_page_asks_answers_and_says_what_it_cannot_show(name):
    words = Page(html_of(name)).words
    assert "?" in words[:150]
    assert "optimistic" in words
    assert "what it cannot show" in words


def test_answers_carry_their_uncertainty():
    words = Page(html_of("compare")).words.replace("\u2212", "-")
    assert "clip is worse than concat; none of the other 5 arms is distinguishable from it." in words
    assert "95 % interval of the difference -6.3 to -2.0 points" in words
    assert "a true difference of about 3.4 points (27 of 800 pairs) in four of five repetitions" in words


def test_class_and_arm_names_that_look_like_html_are_shown_as_they_are():
    labels = ("<neg>", "中性", "ポジティブ")
    result = compare_result(setting=setting(labels=labels, encoders="<b>x</b>"), notes=("a <note>",))
    html = compare_report(result, {}, {}, [], "x", 1.0)
    page = Page(html)
    assert page.open == page.badly_closed == []
    assert ["Classes", "<neg>, 中性, ポジティブ"] in page.rows
    assert "a <note>" in page.words
    assert "All settings" not in page.words


def test_empty_tables_and_sections_are_left_out():
    empty, full = Grid(title="e", columns=("",), rows=()), Grid(title="f", columns=("",), rows=(("x",),))
    sections = [
        Section(title="nothing", grids=(empty,), folded=(empty,)),
        Section(title="some", grids=(empty, full)),
        Section(title="folded", folded=(full,)),
    ]
    assert [(one.title, one.grids, one.folded) for one in filled(sections)] == [
        ("some", (full,), ()),
        ("folded", (), (full,)),
    ]
