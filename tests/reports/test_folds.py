"""A training over folds in print and on its page: the ensemble's figures first, each part's beside them."""

import re

import pytest

from mmsent_cli.config import PROBES
from mmsent_cli.reports.folds import WORDS, folds_report, print_folds
from mmsent_cli.results import FoldResult, FoldsResult, MemberResult
from tests.reports.pages import Page


@pytest.fixture
def folds_result(train_result):
    members = [("network", 0.73), ("image", 0.66), ("lexicon", 0.64)]
    return FoldsResult(
        run="runs/2025-01-02-03-04-05-train",
        encoders="compact",
        fusion="weighted",
        probes=("image", "lexicon"),
        accuracy=0.75,
        macro_f1=0.65,
        majority_accuracy=0.6,
        calibration_error=0.0214,
        epochs=3,
        seconds=615.0,
        prepare_seconds=40.0,
        labels=train_result.labels,
        figures=train_result.best,
        members=tuple(
            MemberResult(name=name, accuracy=share, macro_f1=share - 0.1, interval=(0.6, 0.7), loss=0.8)
            for name, share in members
        ),
        folds=tuple(
            FoldResult(fold=n, train_pairs=133, val_pairs=67 - n, accuracy=0.7, macro_f1=0.6, seconds=60.0)
            for n in (1, 2, 3)
        ),
        class_offsets={"negative": 0.14, "neutral": 0.35, "positive": 0.0},
        pairs=200,
        trainable_parameters=40,
        total_parameters=1000,
        device="cpu",
        precision="fp32",
        encoding="gb18030",
        problems=0,
        notes=("data: [here]",),
    )


def test_the_summary_keeps_to_80_columns_and_holds_each_judge(folds_result, capsys):
    print_folds(folds_result)
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    for words, figure in (("Network", "73.0 %"), ("Image", "66.0 %"), ("Lexicon", "64.0 %"), ("All, joined", "75.0 %")):
        assert re.search(rf"{words}.*{figure}", text)
    assert re.search(r"Calibration error\s+0\.021", text)
    assert "negative +0.14, neutral +0.35, positive +0.00" in " ".join(text.split())
    assert "[here]" in text


def test_offsets_are_not_spoken_of_where_there_are_none(folds_result, capsys):
    from dataclasses import replace

    print_folds(replace(folds_result, class_offsets=dict.fromkeys(folds_result.labels, 0.0)))
    assert "rare classes" not in capsys.readouterr().out


def test_the_page_is_whole_and_states_the_figures(folds_result):
    page = Page(folds_report(folds_result, {"fit": {"epochs": 3}}, {"python": "3.11.2"}, []))
    assert page.open == page.badly_closed == []
    assert all(address.startswith("data:image/") for address in page.addresses)
    text = " ".join(page.text.split())
    assert "75.0\u00a0%" in text or "75.0 %" in text
    assert "did not see its fold" in text
    assert any(row[:2] == ["Network (text and image)", "73.0\u00a0%"] for row in page.rows)


def test_every_expert_has_words():
    assert set(WORDS) == {"network", *PROBES}
