"""What an experiment's arms share, as rows of a name and a value for terminals and pages."""

from mmsent_cli.reports.format import listed
from mmsent_cli.reports.tables import counted, percent
from mmsent_cli.results import SharedSetup

MOST_FREQUENT = "(most frequent class)"
"""Name of the row that always answers the class most frequent in training."""


def setting_facts(setting: SharedSetup) -> list[tuple[str, str]]:
    """Data, encoders, budget, device, and how often the encoders ran."""
    return [
        ("Data", f"{setting.train_pairs:,} training and {setting.val_pairs:,} validation pairs; split {setting.split}"),
        ("Classes", ", ".join(setting.labels)),
        ("Most frequent class", f"{percent(setting.majority_accuracy)} of the validation pairs"),
        ("Encoders", setting.encoders),
        ("Budget", f"{counted(setting.epochs, 'epoch')}, {seeds_text(setting)}"),
        ("Encoder runs", _encoder_runs(setting)),
        ("Device", f"{setting.device}, {setting.precision}"),
    ]


def seeds_text(setting: SharedSetup) -> str:
    """`seeds 0, 1 and 2`, or `seed 0`."""
    return f"seed{'s' if len(setting.seeds) > 1 else ''} {listed([str(seed) for seed in setting.seeds])}"


def _encoder_runs(setting: SharedSetup) -> str:
    runs = [f"{count:,} {name}{'s' if count > 1 else ''}" for name, count in setting.encoder_runs.items() if count]
    return (
        f"{listed(runs)} through the encoders, shared by all models"
        if runs
        else "none: all features were stored already"
    )
