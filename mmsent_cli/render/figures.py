"""Figures of a run as PNG bytes: curves over the epochs and the confusion matrix.

Drawn on `matplotlib.figure.Figure` with the Agg backend, without pyplot and its global state. Colours are those of
Okabe and Ito, told apart with colour-blind eyes too, and each line has its own marker as well. The same values give
the same bytes: no date and no version is written into the file.
"""

import io
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mmsent_cli.results import EpochResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Source: Okabe and Ito, "Color Universal Design", https://jfly.uni-koeln.de/color/
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#595959"
DPI = 150
CJK_FONTS = ("Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "Microsoft YaHei", "PingFang SC", "SimHei")


def curves_png(history: Sequence[EpochResult], majority: float) -> bytes:
    """Losses above, accuracy and macro-F1 below, over the epochs, with the best epoch marked.

    Args:
        history: one or more epochs in order; the last one with `is_best` is the best.
        majority: accuracy (0 to 1) of always answering the most frequent class, drawn as a line.
    """
    figure = _figure(6.4, 7.0)
    losses, scores = figure.subplots(2, 1, sharex=True)
    epochs = [result.epoch for result in history]
    _line(losses, epochs, [result.train_loss for result in history], "training", BLUE, "o")
    _line(losses, epochs, [result.val_loss for result in history], "validation", ORANGE, "s")
    losses.set_ylabel("Loss")
    _line(scores, epochs, [100 * result.accuracy for result in history], "accuracy", ORANGE, "s")
    _line(scores, epochs, [100 * result.macro_f1 for result in history], "macro-F1", GREEN, "^")
    scores.axhline(100 * majority, color=GREY, linestyle="--", label=f"most frequent class, {100 * majority:.1f} %")
    scores.set_ylabel("Validation, %")
    scores.set_xlabel("Epoch")
    scores.xaxis.get_major_locator().set_params(integer=True)
    best = max((result.epoch for result in history if result.is_best), default=None)
    for axes in (losses, scores):
        if best is not None:
            # Named once, in the upper legend.
            name = f"best epoch, {best}" if axes is losses else "_"
            axes.axvline(best, color=GREY, linewidth=1, linestyle=":", label=name, zorder=0)
        _finish(axes)
    return _png(figure)


def confusion_png(confusion: Sequence[Sequence[int]], labels: Sequence[str]) -> bytes:
    """The confusion matrix: pairs of each true class (rows) by predicted class, and their share of the row.

    Args:
        confusion: [C, C] counts, `confusion[i][j]` of true class i predicted as j.
        labels: [C] class names in that order.
    """
    side = max(4.4, 1.15 * len(labels) + 1.2)
    figure = _figure(side + 0.4, side)
    axes = figure.subplots()
    shares = [[count / max(1, sum(row)) for count in row] for row in confusion]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for i, j in ((i, j) for i in range(len(labels)) for j in range(len(labels))):
        text = f"{confusion[i][j]}\n{100 * shares[i][j]:.0f} %"
        axes.text(j, i, text, ha="center", va="center", color="white" if shares[i][j] > 0.65 else "black")
    for axis in (axes.xaxis, axes.yaxis):
        # A label may hold a dollar sign or Chinese: no formula, and a font that has it.
        axis.set_ticks(range(len(labels)), labels, parse_math=False, fontfamily=_families(labels))
    if sum(map(len, labels)) > 9 * len(labels):
        axes.tick_params(axis="x", rotation=30)
    axes.set_xlabel("Predicted")
    axes.set_ylabel("True")
    return _png(figure)


def _figure(width_inches: float, height_inches: float) -> "Figure":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_inches, height_inches), dpi=DPI, layout="constrained")
    figure.set_facecolor("white")
    return figure


def _line(axes: "Axes", x: list[int], y: list[float], label: str, colour: str, marker: str) -> None:
    axes.plot(x, y, label=label, color=colour, marker=marker, markersize=5, linewidth=1.8)


def _finish(axes: "Axes") -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.3)
    axes.legend(frameon=False, fontsize=9, loc="lower left", bbox_to_anchor=(0, 1), ncols=3)


def _families(labels: Sequence[str]) -> list[str]:
    """The default font, and those installed ones that hold Chinese, Japanese and Korean where labels may need them."""
    if all(label.isascii() for label in labels):
        return ["DejaVu Sans"]
    from matplotlib import font_manager

    installed = set(font_manager.get_font_names())
    return ["DejaVu Sans", *(name for name in CJK_FONTS if name in installed)]


def _png(figure: "Figure") -> bytes:
    buffer = io.BytesIO()
    without_version: dict[str, Any] = {"Software": None}
    with warnings.catch_warnings():
        # Without a font for a label's script it shows boxes; the report's tables name the class all the same.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(buffer, format="png", metadata=without_version)
    return buffer.getvalue()
