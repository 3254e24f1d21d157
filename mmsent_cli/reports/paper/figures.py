"""Published and own accuracies of a comparison in one figure."""

from mmsent_cli.reports.plot_style import BLUE, GREY, ORANGE, SMALL_POINTS, as_png, clean, new_figure, plain
from mmsent_cli.results import CompareResult, PublishedArm


def beside_png(result: CompareResult, published: tuple[PublishedArm, ...]) -> bytes:
    """Each arm's published best epoch, our best epoch, and our nested accuracy with its interval, a row an arm."""
    known = {row.name: row.accuracy for row in published}
    arms = [arm for arm in result.arms if not arm.is_reference][::-1]
    figure = new_figure(1.5 + 0.4 * len(arms))
    axes = figure.subplots()
    for row, arm in enumerate(arms):
        first = row == 0
        axes.plot(
            [100 * end for end in arm.accuracy_interval],
            [row, row],
            color=BLUE,
            linewidth=2.2,
            label="ours, nested, 95 % interval" if first else None,
        )
        axes.plot(100 * arm.nested.accuracy_mean, row, color=BLUE, marker="o", markersize=7)
        axes.plot(
            100 * arm.best.accuracy_mean,
            row,
            color=GREY,
            marker="|",
            markersize=13,
            markeredgewidth=2,
            linestyle="",
            label="ours, best epoch *" if first else None,
        )
    rows = [row for row, arm in enumerate(arms) if arm.name in known]
    values = [100 * known[arms[row].name] for row in rows]
    axes.plot(values, rows, color=ORANGE, marker="D", markersize=6.5, linestyle="", label="published, best epoch *")
    axes.set_yticks(range(len(arms)), [arm.name for arm in arms])
    plain(axes.get_yticklabels(), [arm.name for arm in arms])
    axes.set_ylim(-0.6, len(arms) - 0.4)
    axes.set_xlabel("Accuracy, %")
    clean(axes, "x")
    axes.legend(frameon=False, fontsize=SMALL_POINTS, loc="lower right", bbox_to_anchor=(1, 1), ncols=1)
    return as_png(figure)
