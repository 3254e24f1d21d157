"""`compare-fusions`: which arms there are, that they differ by their fusion alone, and what is said of them."""

from dataclasses import replace

import pytest

from mmsent_cli.config import to_dict
from mmsent_cli.config.command_settings import CompareSettings
from mmsent_cli.errors import ConfigError
from mmsent_cli.experiments.comparison import compare_fusions, fusion_arms, list_fusions
from mmsent_cli.fusion import FUSIONS
from mmsent_cli.progress import silent
from mmsent_cli.run_folders import Run
from mmsent_cli.training.plan import plan_run
from tests.experiments.tuning import PAIRS, small_config, small_plan

SOURCES = ["concat", "weighted", "self-attention", "early", "clip", "blip", "blip-advanced"]
REFERENCES = ["text-only", "image-only"]
OWN_TO_A_FUSION = {"fusion", "head_hidden", "head_dropout", "auxiliary_weight"}


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    """Two epochs of the light encoders."""
    return small_plan(tmp_path_factory.mktemp("compare") / "lab", seed=5)


def compare(plan, folder, progress=silent, **settings):
    folder.mkdir(parents=True, exist_ok=True)
    return compare_fusions(plan, CompareSettings(**settings), Run(folder), progress)


@pytest.fixture(scope="module")
def compared(plan, tmp_path_factory):
    """The baseline twice and another fusion: result, models."""
    return compare(plan, tmp_path_factory.mktemp("run"), fusions=("concat", "gmu", "concat"))


def named(plan, **settings):
    """Names of the arms in order, each once."""
    return list(dict.fromkeys(arm.name for arm in fusion_arms(plan, CompareSettings(**settings))))


def test_the_sources_fusions_are_compared_with_concat_and_the_references_come_last(plan):
    assert named(plan) == [*SOURCES, *REFERENCES]
    assert len(fusion_arms(plan, CompareSettings())) == 3 * 9
    every = named(plan, fusions=("all",))
    assert every[-2:] == REFERENCES
    assert set(every) == set(FUSIONS) and len(every) == len(FUSIONS) >= 12


def test_the_baseline_is_an_arm_whether_it_is_named_or_not(plan):
    assert named(plan, fusions=("gmu",)) == ["concat", "gmu", *REFERENCES]
    assert named(plan, fusions=("gmu", "concat")) == ["gmu", "concat", *REFERENCES]
    assert named(plan, fusions=("gmu",), baseline="early") == ["early", "gmu", *REFERENCES]
    assert named(plan, fusions=("gmu", "text-only")) == ["concat", "gmu", "text-only", "image-only"]


def test_a_fusion_named_twice_gets_other_seeds_the_second_time(plan):
    arms = fusion_arms(plan, CompareSettings(fusions=("concat", "concat"), seeds=3))
    assert [(arm.name, arm.seed, arm.is_reference) for arm in arms] == [
        *(("concat", seed, False) for seed in (5, 6, 7)),
        *(("concat (again)", seed, False) for seed in (8, 9, 10)),
        *((name, seed, True) for name in REFERENCES for seed in (5, 6, 7)),
    ]
    assert {arm.config.model.fusion for arm in arms[:6]} == {"concat"}
    with pytest.raises(ConfigError, match="concat more than twice"):
        fusion_arms(plan, CompareSettings(fusions=("concat", "gmu", "concat", "concat")))


@pytest.mark.parametrize("settings", [{"fusions": ("gmu", "wieghted")}, {"baseline": "wieghted"}])
def test_an_unknown_fusion_is_answered_with_the_known_ones(plan, settings):
    with pytest.raises(ConfigError, match="wieghted") as caught:
        fusion_arms(plan, CompareSettings(**settings))
    assert "weighted" in caught.value.message + caught.value.hint
    assert "sources" in caught.value.message + caught.value.hint


@pytest.mark.parametrize("settings", [{"seeds": 0}, {"fusions": ()}])
def test_settings_that_compare_nothing(settings):
    with pytest.raises(ConfigError):
        CompareSettings(**settings)


def test_arms_differ_by_their_fusion_and_seed_alone(plan):
    arms = [to_dict(arm.config) for arm in fusion_arms(plan, CompareSettings(fusions=("all",)))]
    first = arms[0]
    for arm in arms:
        arm["fit"]["seed"] = first["fit"]["seed"]
        differing = {name for name in arm["model"] if arm["model"][name] != first["model"][name]}
        assert differing <= OWN_TO_A_FUSION
        assert {section: arm[section] for section in arm if section != "model"} == {
            section: first[section] for section in first if section != "model"
        }


def test_the_plans_own_fusion_plays_no_part(plan):
    other = replace(plan, given=replace(plan.given, model=replace(plan.given.model, fusion="early")))
    settings = CompareSettings(fusions=("all",), seeds=1)
    assert fusion_arms(other, settings) == fusion_arms(plan, settings)


def test_the_baseline_against_itself_cannot_be_told_apart(compared):
    result, trained = compared
    rows = {row.name: row for row in result.arms}
    assert list(rows) == ["concat", "gmu", "concat (again)", *REFERENCES]
    again = rows["concat (again)"]
    assert (again.fusion, again.verdict) == ("concat", "not distinguishable")
    low, high = again.accuracy_difference.interval
    assert low < 0 < high
    assert [model.seed for model in trained if model.name == "concat (again)"] == [8, 9, 10]
    assert again.curves != rows["concat"].curves


def test_every_fusion_is_tested_but_the_baseline_and_the_references(compared):
    result, _ = compared
    for row in result.arms:
        is_tested = row.name in ("gmu", "concat (again)")
        tests = (row.accuracy_difference, row.macro_f1_difference, row.p_adjusted, row.verdict)
        assert [value is not None for value in tests] == [is_tested] * 4
        assert row.is_reference == (row.name in REFERENCES)
        assert len(row.mcnemar) == (3 if is_tested else 0)
        if is_tested:
            gap, base = row.accuracy_difference, result.arms[0].nested.accuracy_mean
            assert gap.difference == pytest.approx(row.nested.accuracy_mean - base)
            assert row.p_adjusted >= gap.p


def test_the_rows_are_about_the_models(compared):
    result, trained = compared
    assert (result.experiment, result.baseline, len(trained)) == ("compare-fusions", "concat", 15)
    assert result.setup.epochs == 2
    assert result.setup.seeds == (5, 6, 7)
    for row in result.arms:
        models = [model for model in trained if model.name == row.name]
        assert row.curves == tuple(model.curve for model in models)
        assert row.last.accuracies == tuple(model.curve[-1].accuracy for model in models)
        assert row.trainable_parameters == models[0].trainable_parameters
    text_only, image_only = result.arms[-2:]
    assert max(text_only.trainable_parameters, image_only.trainable_parameters) < result.arms[0].trainable_parameters


def test_an_arm_has_the_same_figures_in_any_company(plan, compared, tmp_path):
    alone, _ = compare(plan, tmp_path, fusions=("gmu",), baseline="gmu", seeds=1)
    among = next(row for row in compared[0].arms if row.name == "gmu")
    assert alone.arms[0].curves == among.curves[:1]
    assert alone.arms[0].nested.accuracies == among.nested.accuracies[:1]
    assert alone.arms[0].verdict is None


def test_a_reference_may_be_the_baseline(plan, tmp_path):
    result, _ = compare(plan, tmp_path, fusions=("concat",), baseline="image-only", seeds=1)
    assert [(row.name, row.verdict is not None) for row in result.arms] == [
        ("concat", True),
        ("image-only", False),
        ("text-only", False),
    ]


def test_the_encoders_run_once_over_all_arms_and_not_at_all_with_a_full_store(weights_dir, tmp_path):
    small_plan(tmp_path / "lab")
    config = small_config(tmp_path / "lab")
    model = replace(
        config.model, encoders="bert-resnet18", image_encoder="timm:test_resnet", freeze_text="2", freeze_image="all"
    )
    runtime = replace(config.runtime, weights_dir=str(weights_dir), offline=True, engine="torch")
    plan = plan_run(replace(config, model=model, runtime=runtime))
    results = [compare(plan, tmp_path / name, fusions=("gmu", "concat"), seeds=1)[0] for name in "ab"]
    assert results[0].setup.encoder_runs == {"text": PAIRS, "image": PAIRS}
    assert results[1].setup.encoder_runs == {"text": 0, "image": 0}
    assert results[0].arms == results[1].arms


def test_a_single_seed_is_remarked_on(plan, compared, tmp_path):
    single, _ = compare(plan, tmp_path, fusions=("concat",), seeds=1)
    for result in (single, compared[0]):
        assert any("one seed" in note for note in result.notes) == (result.setup.seeds == (5,))


def test_the_list_names_every_fusion_with_its_source_and_size(plan):
    encoders, rows = list_fusions(plan.given)
    assert (encoders, [row.name for row in rows]) == ("light", list(FUSIONS))
    assert all(row.summary and row.source for row in rows)
    sizes = {row.name: row.parameters for row in rows}
    head = 256 * 256 + 256 + 256 * 3 + 3  # of a feature 256 wide, as light gives for each modality
    auxiliary = 256 * 3 + 3
    assert sizes["text-only"] == sizes["image-only"] == head + auxiliary
    assert sizes["concat"] == head + 256 * 256 + 2 * auxiliary
    assert sizes["weighted"] == sizes["concat"] + 2
    assert sizes["logit-ensemble"] == 2 * head + 2 + 3
