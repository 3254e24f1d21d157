"""result.json of every command has one summary and keeps to its JSON schema."""

import json
from dataclasses import asdict
from pathlib import Path

import jsonschema
import pytest

from mmsent_cli.api import check
from mmsent_cli.reports.outputs import REPORTS
from mmsent_cli.results.schema import result_schema
from mmsent_cli.results.summary import MAIN_METRICS, summarize
from tests.data.builders import TAGS, write_lab
from tests.reports.test_explanation import explain_result

SCHEMA = Path(__file__).parents[2] / "docs" / "result.schema.json"
KINDS = ("train", "folds", "compare", "augment", "ablate", "tune", "paper", "evaluate", "models")
COUNTS = {"training": {"negative": 3, "neutral": 2, "positive": 5}, "validation": {}}


def test_the_schema_file_is_that_of_the_dataclasses():
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == result_schema()
    jsonschema.Draft202012Validator.check_schema(result_schema())


@pytest.mark.parametrize("kind", KINDS)
def test_results_keep_to_the_schema(results, kind):
    result = results[kind]
    summary = summarize(result, kind, COUNTS, seed=7)
    content = json.loads(json.dumps({"summary": asdict(summary), **asdict(result)}))
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    validator.validate(content)
    assert content["summary"]["counts"] == COUNTS
    assert 0 < content["summary"]["macro_f1"] < content["summary"]["accuracy"] < 1
    del content["summary"]["accuracy"]
    assert not validator.is_valid(content)


@pytest.mark.parametrize("kind", ["explain", "check"])
def test_results_without_metrics_keep_to_the_schema_without_a_summary(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if kind == "explain":
        result = explain_result(2)
    else:
        write_lab(tmp_path / "lab", {str(n): TAGS[n % 3] for n in range(1, 10)})
        result = check(tmp_path / "lab", encoders="light", image_size_px=64).result
    assert summarize(result, kind, {}) is None
    content = json.loads(json.dumps(asdict(result)))
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    validator.validate(content)
    del content["source" if kind == "check" else "checkpoint"]
    assert not validator.is_valid(content)


def test_the_schema_has_every_kind_of_result_that_is_written():
    known = {part["$ref"].rpartition("/")[2] for part in result_schema()["anyOf"]}
    assert known == {kind.__name__ for kind in REPORTS}


def test_each_kind_names_its_own_model(results):
    found = {name: summarize(result, name, {}, seed=7) for name, result in results.items()}
    assert {name: round(found[name].accuracy, 4) for name in KINDS if name != "models"} == {
        "train": 0.75, "folds": 0.75, "compare": 0.741, "augment": 0.742, "ablate": 0.741, "tune": 0.7537,
        "paper": 0.75, "evaluate": 0.8556
    }  # fmt: skip
    assert found["compare"].seeds == (0, 1, 2)
    assert found["train"].seeds == (7,)
    assert {type(result) for result in results.values()} <= set(MAIN_METRICS)
