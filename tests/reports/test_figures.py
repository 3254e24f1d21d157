"""Figures are whole PNGs of readable size, the same bytes each time, and differ where their values differ."""

from dataclasses import replace

import pytest

from mmsent_cli.reports import figures
from tests.reports.pictures import opened, saved

draw_confusion, draw_curves = saved(figures.draw_confusion), saved(figures.draw_curves)

LABELS = ("negative", "neutral", "positive")
COUNTS = ((8, 1, 1), (2, 3, 5), (0, 0, 0))


def test_curves_are_deterministic_210_dpi_and_carry_no_version(history):
    content = draw_curves(history, 0.6)
    image = opened(content)
    assert content == draw_curves(history, 0.6)
    assert image.format == "PNG"
    assert image.info["dpi"] == pytest.approx((210, 210), abs=0.1)
    assert not any(isinstance(value, str) for value in image.info.values())
    assert min(image.size) >= 900


@pytest.mark.usefixtures("coarse")
def test_curves_show_losses_scores_majority_and_the_best_epoch(history):
    content = draw_curves(history, 0.6)
    changed = [
        draw_curves((replace(history[0], train_loss=2.0), *history[1:]), 0.6),
        draw_curves((replace(history[0], val_loss=2.0), *history[1:]), 0.6),
        draw_curves((replace(history[0], accuracy=0.5), *history[1:]), 0.6),
        draw_curves((replace(history[0], macro_f1=0.5), *history[1:]), 0.6),
        draw_curves(history, 0.55),
        draw_curves((*history[:2], replace(history[2], is_best=True)), 0.6),
    ]
    assert len({content, *changed}) == 7


def test_curves_of_a_single_or_diverged_epoch_can_be_drawn(history):
    opened(draw_curves(history[:1], 0.6))
    opened(draw_curves((replace(history[0], train_loss=float("nan")), *history[1:]), 0.6))


@pytest.mark.usefixtures("coarse")
def test_confusion_shows_counts_and_labels_and_survives_an_empty_class():
    content = draw_confusion(COUNTS, LABELS)
    opened(content)
    assert content == draw_confusion(COUNTS, LABELS)
    assert content != draw_confusion(((7, 2, 1), *COUNTS[1:]), LABELS)
    assert content != draw_confusion(COUNTS, ("bad", "neutral", "positive"))


def test_labels_of_any_script_and_with_dollar_signs_are_drawn_as_they_are():
    opened(draw_confusion(COUNTS, ("$x_{1$", "消极", "très positif et encore plus long")))


def test_pyplot_is_not_loaded():
    import subprocess
    import sys

    code = (
        "import sys; from mmsent_cli.reports.figures import draw_confusion as draw; draw([[1, 0], [0, 1]], ['a', 'b']);"
        "raise SystemExit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
