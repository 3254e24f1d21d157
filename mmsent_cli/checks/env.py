"""All checks of this machine. Nothing here needs torch, so that a damaged torch is a finding and no crash."""

from dataclasses import replace
from pathlib import Path

from mmsent_cli.checks.collect import collect
from mmsent_cli.checks.facts import MachineFacts
from mmsent_cli.checks.machine import machine_outcomes
from mmsent_cli.config import RuntimeConfig
from mmsent_cli.encoders.weights.source import WeightSource
from mmsent_cli.errors import MmsentError
from mmsent_cli.files import default_cache_dir
from mmsent_cli.progress import Progress, silent
from mmsent_cli.results import OK, WARNING, CheckOutcome, EnvResult, can_train

RULE = "warning if it cannot be measured"


def check_machine(
    runtime: RuntimeConfig, runs_dir: Path, is_timed: bool = True, progress: Progress = silent
) -> EnvResult:
    """Check whether training can run on this machine.

    Args:
        runtime: folders of weights and caches, device, and whether connections are allowed.
        runs_dir: folder of the runs, which need not exist.
        is_timed: measure how long the presets would take.
        progress: receives the number of measured parts.

    Raises:
        MmsentError: the cache folder that was given cannot be used.
    """
    source = WeightSource.of(runtime, default_cache_dir(runtime.cache_dir))
    facts = collect(source, runs_dir)
    minutes, per_second, timing = (
        _timing(runtime, facts, progress) if is_timed and facts.torch.version else ({}, {}, ())
    )
    checks = (*machine_outcomes(facts), *timing)
    return EnvResult(
        can_train=can_train(checks),
        checks=checks,
        minutes=minutes,
        predicted_per_second=per_second,
        facts=_shown(facts),
        weights=_weights(facts),
    )


def _timing(
    runtime: RuntimeConfig, facts: MachineFacts, progress: Progress
) -> tuple[dict[str, float], dict[str, float], tuple[CheckOutcome, ...]]:
    """Expected minutes of the presets for 4,000 pairs, pairs predicted a second, and the check that reports them."""
    from mmsent_cli.checks.speed import (
        CLOCK_SECONDS,
        PAIRS,
        PREDICTED_PAIRS,
        measure_units,
        predict_seconds,
        preset_seconds,
    )
    from mmsent_cli.compute.resources import Resources

    problem = advice = ""
    unit = None
    try:
        resources = Resources.open(replace(runtime, offline=True))
        unit = measure_units(resources, facts.torch.fp32_gflops, progress)
        problem = f"not measured within {CLOCK_SECONDS:.0f} s"
        advice = "try again when the machine is less busy; compiled models are kept"
    except MmsentError as error:
        problem, advice = error.message, error.hint
    if unit is None:
        outcome = CheckOutcome(check="expected time", level=WARNING, message=problem, rule=RULE, advice=advice)
        return {}, {}, (outcome,)
    minutes = {name: seconds / 60 for name, seconds in preset_seconds(unit).items()}
    predicting = predict_seconds(unit)
    per_second = {name: PREDICTED_PAIRS / seconds for name, seconds in predicting.items()}
    predicted = ", ".join(
        f"{name} about {seconds / 60:.1f} minutes ({per_second[name]:.0f} a second)"
        for name, seconds in predicting.items()
    )
    shown = ", ".join(f"{name} about {value:.1f} minutes" for name, value in minutes.items())
    message = (
        f"{PAIRS:,} pairs with {shown}, if no other program runs: an estimate from {1000 * unit.image:.1f} ms for an "
        f"image, {1000 * unit.text:.1f} ms for a text, {1000 * unit.step:.1f} ms for a training step of a pair; "
        f"predicting {PREDICTED_PAIRS:,} pairs takes {predicted}"
    )
    return minutes, per_second, (CheckOutcome(check="expected time", level=OK, message=message, rule=RULE),)


def _shown(facts: MachineFacts) -> dict[str, str]:
    """The machine in a few lines."""
    gpus = ", ".join(name for name, _ in facts.torch.devices)
    return {
        "mmsent": facts.mmsent,
        "Python": facts.python,
        "System": facts.system,
        "torch": facts.torch.version or "cannot be imported",
        "CPU": f"{facts.cpu.model}, {facts.cpu.usable:g} of {facts.cpu.cores} cores",
        "GPU": gpus or "none that torch can use",
        "Memory": f"{facts.memory_bytes / 1e9:.1f} GB",
    }


def _weights(facts: MachineFacts) -> dict[str, str]:
    """SHA-256 of the weights that are on this machine, by file."""
    return {each.place: each.sha256 for each in facts.weights if each.sha256}
