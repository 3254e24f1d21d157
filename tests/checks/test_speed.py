"""The estimate of a preset's time: the cost model by hand, and a measurement that is bounded."""

from dataclasses import replace

import pytest

from mmsent_cli.checks import machine, speed
from mmsent_cli.checks.speed import REFERENCE_GFLOPS, UnitSeconds, measure_units, predict_seconds, preset_seconds
from mmsent_cli.compute.device import Resources
from mmsent_cli.config import RuntimeConfig

REFERENCE = UnitSeconds(image=0.006, text=0.001, step=0.002, gflops=REFERENCE_GFLOPS, threads=2)


def test_the_cost_model_counts_what_the_presets_do():
    found = preset_seconds(REFERENCE)
    assert found["fast"] == pytest.approx(4000 * 0.007 + speed.REFERENCE_REST["fast"])
    encoded = 4000 * (0.006 * 1.5625 + 0.001 * 9.5)
    assert found["best"] == pytest.approx(encoded + 48_000 * 0.002 + speed.REFERENCE_REST["best"])
    half = preset_seconds(REFERENCE, 2000)
    assert {name: 2 * seconds for name, seconds in half.items()} == pytest.approx(found)


def test_a_prediction_encodes_each_pair_once():
    assert predict_seconds(REFERENCE, 100) == pytest.approx({"fast": 0.7, "best": 100 * (0.006 * 1.5625 + 0.0095)})


def test_the_reference_machine_takes_the_time_that_the_readme_reports():
    found = preset_seconds(replace(REFERENCE, image=0.0061, text=0.0011, step=0.0022))
    assert found == pytest.approx({"fast": 70, "best": 313}, rel=0.02)


def test_a_slower_core_takes_longer_and_more_cores_less():
    slow, wide = replace(REFERENCE, gflops=REFERENCE_GFLOPS / 4), replace(REFERENCE, threads=8)
    assert preset_seconds(slow)["fast"] > preset_seconds(REFERENCE)["fast"] > preset_seconds(wide)["fast"]


def test_this_machine_is_measured(monkeypatch, tmp_path):
    monkeypatch.setattr(speed, "WARM_UP", 2)
    monkeypatch.setattr(speed, "IMAGES", 2)
    monkeypatch.setattr(speed, "TEXTS", 4)
    monkeypatch.setattr(speed, "STEP_PAIRS", 2)
    parts = []
    resources = Resources.open(RuntimeConfig(engine="torch", precision="fp32", offline=True, cache_dir=str(tmp_path)))
    unit = measure_units(resources, 100.0, parts.append)
    assert unit is not None
    assert min(unit.image, unit.text, unit.step) > 0
    assert [part.done for part in parts] == [1, 2, 3]


def test_a_measurement_ends_when_its_time_is_up(monkeypatch, tmp_path):
    monkeypatch.setattr(speed, "CLOCK_SECONDS", -1.0)
    resources = Resources.open(RuntimeConfig(engine="torch", precision="fp32", offline=True, cache_dir=str(tmp_path)))
    assert measure_units(resources, 100.0) is None
    result = machine.check_machine(RuntimeConfig(offline=True, cache_dir=str(tmp_path)), tmp_path)
    (timing,) = [one for one in result.checks if one.check == "expected time"]
    assert (timing.level, result.minutes, result.predicted_per_second) == ("warning", {}, {})
    assert result.can_train


def test_a_device_that_cannot_be_opened_stops_training_and_so_is_an_error(tmp_path):
    result = machine.check_machine(RuntimeConfig(device="cuda:99", offline=True, cache_dir=str(tmp_path)), tmp_path)
    (timing,) = [one for one in result.checks if one.check == "expected time"]
    assert (timing.level, result.can_train) == ("error", False)
