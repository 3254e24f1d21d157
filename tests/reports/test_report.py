"""The report is one page without any outside reference, and shows what the run holds, escaped."""

import base64
import re
from dataclasses import replace

import pytest

from mmsent_cli.reports.report import ReportExample, train_report
from tests.reports.pages import Page

CONFIG = {"fit": {"epochs": 3, "patience": None}, "data": {"labels": ["a", "b"]}}
ENVIRONMENT = {"python": "3.11.2", "packages": {"torch": "2.9.1"}, "threads": 2}


@pytest.fixture
def examples():
    one = ReportExample(
        guid="7",
        text="“今天” <script>x</script>",
        thumbnail_jpeg=b"JPG",
        true="neutral",
        predicted="positive",
        probability=0.5,
    )
    return [one, replace(one, guid="8", text="fine", thumbnail_jpeg=None, predicted="neutral", probability=0.91)]


def test_page_is_well_formed_and_refers_to_nothing_outside(train_result, examples):
    html = train_report(train_result, CONFIG, ENVIRONMENT, examples)
    page = Page(html)
    assert page.open == page.badly_closed == []
    assert page.addresses
    assert all(address.startswith("data:image/") for address in page.addresses)
    assert "@import" not in html
    assert "url(" not in html
    assert all(image["alt"] for image in page.images)


def test_page_holds_figures_thumbnails_and_their_bytes(train_result, examples):
    images = Page(train_report(train_result, CONFIG, ENVIRONMENT, examples)).images
    kinds = [image["src"].split(";")[0] for image in images]
    assert kinds == ["data:image/png", "data:image/png", "data:image/jpeg"]
    contents = [base64.b64decode(image["src"].split(",")[1]) for image in images]
    assert contents[0][:8] == contents[1][:8] == b"\x89PNG\r\n\x1a\n"
    assert contents[2] == b"JPG"


def test_page_states_the_figures_beside_their_baseline(train_result):
    page = Page(train_report(train_result, CONFIG, ENVIRONMENT, []))
    text = re.sub(r"\s+", " ", page.text)
    assert "75.0 % of 200 validation pairs right; 95 % interval 68.6 to 80.5 %" in text
    assert "most frequent class gives 60.0 %" in text
    assert "gives 70.0 %, 63.3 to 75.9 %, macro-F1 0.600" in text
    assert ["neutral", "0.710", "0.600", "0.650", "20"] in page.rows
    assert ["Parameters", "40 of 1,000 trainable (4.0 %)"] in page.rows
    assert "mmsent train --config runs/2025-01-02-03-04-05-train/config.json" in text


def test_page_lists_settings_and_environment_in_any_nesting(train_result):
    rows = Page(train_report(train_result, CONFIG, ENVIRONMENT, [])).rows
    for row in (["fit epochs", "3"], ["fit patience", "null"], ["data labels", '["a", "b"]']):
        assert row in rows
    assert ["packages.torch", "2.9.1"] in rows
    assert ["threads", "2"] in rows


def test_examples_are_sorted_into_wrong_and_right_and_texts_are_escaped(train_result, examples):
    html = train_report(train_result, CONFIG, ENVIRONMENT, examples)
    assert "<script" not in html
    text = re.sub(r"\s+", " ", Page(html).text)
    wrong, right = text.split("Wrong")[1].split("Right")
    assert "“今天” <script>x</script>" in wrong
    assert "predicted positive (50.0 %), is neutral · pair 7" in wrong
    assert "no image fine" in right
    assert "predicted neutral (91.0 %) · pair 8" in right


def test_a_run_without_examples_has_no_such_section(train_result):
    assert "Examples" not in Page(train_report(train_result, CONFIG, ENVIRONMENT, [])).text
