"""`augment-compare`: the same model with and without augmented images."""

from dataclasses import replace

import pytest

from mmsent_cli.config import to_dict
from mmsent_cli.config.command_settings import AugmentSettings
from mmsent_cli.data.augment import POLICIES
from mmsent_cli.errors import ConfigError
from mmsent_cli.experiments.comparison import augment_compare, augmented_arms
from mmsent_cli.progress import Stage, silent
from mmsent_cli.run_folders import Run
from mmsent_cli.training.plan import plan_run
from tests.events import Stopped
from tests.experiments.tuning import PAIRS, small_config, small_plan

VIEWS = 2


@pytest.fixture(scope="module")
def plan(tmp_path_factory, weights_dir):
    """Two epochs on frozen images, whose views are stored; asks for an augmentation of its own."""
    lab = tmp_path_factory.mktemp("augment") / "lab"
    small_plan(lab)
    config = small_config(lab, augmentation="strong", augmentation_views=VIEWS, seed=2)
    model = replace(
        config.model,
        encoders="bert-resnet18",
        image_encoder="timm:test_resnet",
        fusion="gmu",
        freeze_text="2",
        freeze_image="all",
    )
    runtime = replace(config.runtime, weights_dir=str(weights_dir), offline=True, engine="torch")
    return plan_run(replace(config, model=model, runtime=runtime))


def compare(plan, folder, progress=silent, **settings):
    folder.mkdir(parents=True, exist_ok=True)
    return augment_compare(plan, AugmentSettings(**settings), Run(folder), progress)


@pytest.fixture(scope="module")
def compared(plan, tmp_path_factory):
    """Two policies with two seeds, from an empty feature store."""
    return compare(plan, tmp_path_factory.mktemp("run"), policies=("flip", "color"), seeds=2)


def test_no_augmentation_comes_first_then_each_policy(plan):
    arms = augmented_arms(plan, AugmentSettings())
    assert [(arm.name, arm.seed) for arm in arms] == [
        (name, seed) for name in ("none", "standard") for seed in (2, 3, 4)
    ]
    several = augmented_arms(plan, AugmentSettings(policies=("strong", "flip", "strong"), seeds=1))
    assert [arm.name for arm in several] == ["none", "strong", "flip"]
    assert not any(arm.is_reference for arm in several)


def test_arms_differ_by_augmentation_and_seed_alone(plan):
    arms = augmented_arms(plan, AugmentSettings(policies=tuple(POLICIES), seeds=2))
    assert [arm.config.fit.augmentation for arm in arms] == [name for name in ("none", *POLICIES) for _ in range(2)]
    plain = [to_dict(arm.config) for arm in arms]
    for config in plain:
        config["fit"] |= {"augmentation": None, "seed": None}
    assert all(config == plain[0] for config in plain)
    assert plain[0]["model"]["fusion"] == "gmu"


@pytest.mark.parametrize("policy", ["flips", "none"])
def test_an_unknown_policy_is_answered_with_the_known_ones(plan, policy):
    with pytest.raises(ConfigError, match=policy) as caught:
        augmented_arms(plan, AugmentSettings(policies=("flip", policy)))
    assert "standard" in caught.value.message + caught.value.hint


def test_the_rows_say_what_augmentation_does(compared):
    result, trained = compared
    assert (result.experiment, result.baseline) == ("augment-compare", "none")
    assert [(row.name, row.augmentation, row.fusion) for row in result.arms] == [
        (name, name, "gmu") for name in ("none", "flip", "color")
    ]
    assert [row.verdict is not None for row in result.arms] == [False, True, True]
    assert result.setup.seeds == (2, 3)
    assert result.setup.epochs == 2 and len(trained) == 6
    losses = [row.curves[0][-1].train_loss for row in result.arms]
    assert len(set(losses)) == 3


def test_seeds_share_the_views_and_all_arms_the_plain_images(compared, plan, tmp_path):
    result, _ = compared
    train = len(plan.split.train)
    assert result.setup.encoder_runs == {"text": PAIRS, "image": PAIRS + 2 * VIEWS * train}
    again, _ = compare(plan, tmp_path, policies=("flip", "color"), seeds=2)
    assert again.setup.encoder_runs == {"text": 0, "image": 0}
    assert again.arms == result.arms


def test_the_arm_without_augmentation_ends_the_same_beside_any_policy(compared, plan, tmp_path):
    other, _ = compare(plan, tmp_path, policies=("geometry",), seeds=1)
    assert other.arms[0].curves[0] == compared[0].arms[0].curves[0]


def test_a_single_seed_is_remarked_on(plan, compared, tmp_path):
    single, _ = compare(plan, tmp_path, seeds=1)
    for result in (single, compared[0]):
        assert any("one seed" in note for note in result.notes) == (result.setup.seeds == (2,))


@pytest.mark.parametrize("settings", [{"seeds": 0}, {"policies": ()}])
def test_settings_that_compare_nothing(settings):
    with pytest.raises(ConfigError):
        AugmentSettings(**settings)


def test_views_count_once_when_their_encoding_was_stopped(plan, tmp_path):
    """Killed while the views of the policy are made."""
    own = replace(plan, store=tmp_path / "features")

    def stop_at_views(event):
        if isinstance(event, Stage) and "encoding" in event.name and (event.total or 0) > PAIRS:
            raise Stopped

    with pytest.raises(Stopped):
        compare(own, tmp_path / "run", stop_at_views, policies=("flip",), seeds=2)
    result, _ = compare(own, tmp_path / "run", policies=("flip",), seeds=2)
    assert result.setup.encoder_runs == {"text": PAIRS, "image": PAIRS + VIEWS * len(plan.split.train)}
