"""README's table of a run's files has every file that runs write."""

import re
from pathlib import Path

import pytest

from tests.commands import test_folds
from tests.commands.running import RUN_FILES

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
MAYBE = {"pairs_to_check.csv", "labels_to_check.csv", "problems.txt", "epochs.csv", "encoder_runs.json"}


@pytest.fixture
def listed():
    table = README.split("| file | content |")[1].split("\n\n")[0].strip()
    return {name.rstrip("/") for row in table.splitlines() for name in re.findall(r"`([^` ]+)`", row.split("|")[1])}


@pytest.mark.parametrize("written", [RUN_FILES, test_folds.FILES, MAYBE, {"experiment.json"}])
def test_every_file_of_a_training_is_in_the_table(listed, written):
    assert written - listed == set()


def test_the_page_on_results_and_the_schema_are_linked():
    assert "(docs/results.md)" in README and "(docs/result.schema.json)" in README
