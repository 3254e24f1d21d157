"""All experiments of the published setup in one go, on a few pairs."""

import json
from pathlib import Path

import pytest

from mmsent_cli.experiments import paper as recipe
from mmsent_cli.experiments.paper import DECAYS, FUSIONS, RATES
from mmsent_cli.training import loop
from tests.commands.running import QUICK, assert_refused, mmsent, run_folders, small_lab, succeed
from tests.undrawn import leave_out_pixels

STEPS = ["tune", "train", "ablate", "compare-fusions", "augment-compare"]
PAPER = ("paper", "--data", "lab", *QUICK, "--epochs", 1, "--seeds", 1)


@pytest.fixture(scope="module")
def repeated(tmp_path_factory):
    """A repetition that was interrupted before its last step and resumed: its folder, what it printed as JSON, and how
    many models were trained before and after."""
    folder, counts, trained = tmp_path_factory.mktemp("paper"), [], []
    fit = loop.Trainer.fit

    def counted(trainer, *arguments):
        if len(trainer.history) < (trainer.config.epochs or 0):
            trained.append(trainer)
        return fit(trainer, *arguments)

    def interrupt(*_):
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        leave_out_pixels(patch)
        patch.setattr(loop.Trainer, "fit", counted)
        small_lab(folder / "lab")
        with patch.context() as inner:
            inner.setattr(recipe, "augment_compare", interrupt)
            stopped = mmsent(*PAPER)
        (run,) = run_folders()
        assert stopped.exit_code == 130
        assert f"mmsent paper --resume {run.absolute()}" in stopped.stderr
        counts.append(len(trained))
        values = succeed("paper", "--resume", "latest", "--json")
        counts.append(len(trained) - counts[0])
        assert Path(values["run"]) == run
    return folder / values["run"], values, counts


def test_every_experiment_is_a_finished_run_of_its_own(repeated):
    run, values, _ = repeated
    steps = sorted((run / "steps").glob("*/result.json"), key=lambda path: path.stat().st_mtime)
    named = [path.parent.name.partition("-")[2].partition("-")[2] for path in steps]  # without date and time
    assert [step for name in named for step in STEPS if name.startswith(step)] == STEPS
    assert all((path.parent / "report.html").is_file() for path in steps)
    assert json.loads((run / "result.json").read_text()).keys() == {
        "summary", "tune", "train", "ablate", "fusions", "augmentation", "published"
    }  # fmt: skip
    assert values["seconds"] > 0


def test_later_steps_use_what_the_tuning_found(repeated):
    run, values, _ = repeated
    best = values["tune"]["trials"][values["tune"]["best"]]["settings"]
    for step in ("train", "compare-fusions", "augment-compare"):
        (folder,) = (run / "steps").glob(f"*-{step}-*")
        fit = json.loads((folder / "config.json").read_text())["fit"]
        assert {name: fit[name] for name in ("encoder_lr", "head_lr", "weight_decay")} == best
        assert fit["epochs"] == 1
    assert values["tune"]["setup"]["epochs"] == 1


def test_all_steps_share_the_split(repeated):
    run, *_ = repeated
    assert len({path.read_bytes() for path in [run / "split.json", *run.glob("steps/*/split.json")]}) == 1


def test_the_page_holds_the_published_figures(repeated):
    run, *_ = repeated
    page = (run / "report.html").read_text(encoding="utf-8")
    published = [row.accuracy for row in FUSIONS] + [*RATES.values(), *DECAYS.values()]
    assert all(f"{100 * share:.2f}" in page for share in published if share is not None)
    assert 'src="http' not in page


def test_an_interrupted_repetition_trains_nothing_twice(repeated, monkeypatch):
    run, _, (before, after) = repeated
    assert before > 10
    assert after == 2, "the two arms of the augmentation"
    monkeypatch.chdir(run.parents[1])
    assert_refused(mmsent("paper", "--resume", "latest"), "finished")
