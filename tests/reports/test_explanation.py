"""The report of explained pairs: figures, page, terminal."""

import json
import re
from dataclasses import asdict, replace
from io import BytesIO

import pytest
from PIL import Image

from mmsent_cli.reports.explanation import explain_grids, explanation_figures
from mmsent_cli.reports.outputs import print_result, run_files
from mmsent_cli.results import ExplainResult, Explanation, MemberVote, ModalityShares, WordScore
from tests.data.builders import image_bytes
from tests.reports.pages import Page, particulars


def explain_result(pairs=2):
    """Explained pairs with an image and members, and without."""
    both = Explanation(
        guid="7",
        text="such a <b>lovely</b> 今天 day",
        label="positive",
        predicted="positive",
        probabilities={"negative": 0.1, "positive": 0.9},
        missing="",
        shares=ModalityShares(nothing=0.4, text=0.35, image=0.15),
        words=(WordScore(word="<b>lovely</b>", score=0.25), WordScore(word="今天", score=-0.125)),
        regions=((0.0, 0.2), (-0.1, 0.05)),
        members=(MemberVote(member="network", label="negative", probabilities={"negative": 0.6, "positive": 0.4}),),
    )
    text = replace(both, guid="8", missing="image", regions=(), words=(), members=())
    return ExplainResult(
        checkpoint="runs/one/best_model.pt", method="occlusion", explanations=(both, text)[:pairs], seconds=1.5
    )


def test_the_page_holds_words_shares_and_members_of_each_pair():
    result = explain_result()
    figures = explanation_figures(result, {"7": image_bytes(1, (60, 40)), "8": None})
    assert list(figures) == ["explanation-1"]  # the second pair has nothing to draw
    width, height = Image.open(BytesIO(figures["explanation-1"])).size
    assert width > 800 and height > width / 2
    page = Page(run_files(result, particulars(drawn=figures))["report.html"])
    assert page.open == page.badly_closed == []
    for row in (
        ["<b>lovely</b>", "+25.0"],
        ["今天", "\u221212.5"],
        ["Network (text and image)", "negative", "60.0\u00a0%", "40.0\u00a0%"],
    ):
        assert row in [[cell.strip() for cell in cells] for cells in page.rows]
    assert "The pair has no image." in page.words
    assert any(image["alt"] for image in page.images)


def test_the_page_of_one_pair_says_its_answer_once():
    page = Page(run_files(explain_result(1), particulars(drawn={}))["report.html"])
    below_title = page.words.partition("Why does")[2]
    assert below_title.count("text +35.0, image +15.0 points") == below_title.count("Strongest region") == 1


def test_a_terminal_shows_few_pairs_each_and_many_as_one_table(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    print_result(explain_result(1), folder="runs/x", files=(), seconds=1.5)
    text = capsys.readouterr().out
    assert "+25.0" in text and "text +35.0, image +15.0 points" in text
    assert max(map(len, text.splitlines())) <= 80
    many = replace(explain_result(), explanations=explain_result().explanations * 3)
    (overview,) = explain_grids(many)
    assert len(overview.rows) == 6
    assert overview.rows[0] == ("7", "positive", "positive", "90.0 %", "+35.0", "+15.0", "<b>lovely</b>")


def test_a_result_is_plain_values():
    assert json.loads(json.dumps(asdict(explain_result())))["explanations"][0]["regions"] == [[0.0, 0.2], [-0.1, 0.05]]


def test_the_shown_parts_add_up_and_the_strongest_region_is_named(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    result = explain_result(1)
    one = replace(
        result.explanations[0],
        probabilities={"negative": 0.475, "positive": 0.525},
        shares=ModalityShares(nothing=0.3194, text=-0.0274, image=0.233),
        regions=((0.0, 0.0, 0.2), (-0.4, 0.05, 0.0), (0.0, 0.0, 0.0)),
    )
    print_result(replace(result, explanations=(one,)), folder="runs/x", files=(), seconds=1.5)
    text = capsys.readouterr().out
    numbers = re.search(r"([\d.]+) %: ([\d.]+) %.*text (\S+), image (\S+) p", text).groups()
    total, nothing, words, image = map(float, numbers)
    assert total == pytest.approx(nothing + words + image)
    assert "upper right, +20.0 points; see explanation-1.png" in text
