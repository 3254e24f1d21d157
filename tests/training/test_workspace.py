"""What the models of one plan share, and what they must not."""

from dataclasses import replace

import pytest
import torch

from mmsent_cli.config import DataConfig, FitConfig, ModelConfig, RuntimeConfig, TrainConfig
from mmsent_cli.features.table import EpochBatches
from mmsent_cli.fusion import FUSIONS
from mmsent_cli.training.plan import plan_run
from mmsent_cli.training.workspace import Workspace
from tests.training.builders import assert_equal
from tests.training.test_run import CONFIG, ROOT

FROZEN = ModelConfig(
    encoders="bert-resnet18",
    image_encoder="timm:test_resnet",
    fusion="concat",
    freeze_text="1",
    freeze_image="all",
    image_size_px=32,
    head_hidden=(8,),
    head_dropout=(0.1,),
)


def make_workspace(weights_dir, model=FROZEN, **fit):
    config = TrainConfig(
        data=DataConfig(data=str(ROOT / "data" / "sample"), limit=40),
        model=model,
        fit=FitConfig(epochs=1, batch_size=8, **fit),
        runtime=RuntimeConfig(
            device="cpu", precision="fp32", engine="torch", weights_dir=str(weights_dir), offline=True
        ),
    )
    return Workspace(plan_run(config))


def trained_to_the_end(trainer):
    for _ in trainer.fit():
        pass


def test_every_fusion_and_seed_shares_one_pass_over_the_encoders(weights_dir):
    workspace = make_workspace(weights_dir)
    texts = {pair.text for pair in workspace.plan.dataset.pairs}
    images = {pair.image_digest for pair in workspace.plan.dataset.pairs}
    pooled = [name for name, spec in FUSIONS.items() if spec.reads != "tokens"]
    for name, seed in (*((name, 0) for name in pooled), ("concat", 1)):
        *_, trainer = workspace.trainer(workspace.plan.variant(name, seed=seed))
        trained_to_the_end(trainer)
    assert workspace.encoder_runs == {"text": len(texts), "image": len(images)}
    assert len(pooled) > 8


def test_training_one_model_leaves_the_next_as_it_would_have_been(weights_dir):
    alone, _, _ = make_workspace(weights_dir).trainer(make_workspace(weights_dir).plan.config)
    expected = {name: tensor.clone() for name, tensor in alone.state_dict().items()}
    workspace = make_workspace(weights_dir, encoder_lr=0.1)
    first, _, trainer = workspace.trainer(workspace.plan.config)
    trained_to_the_end(trainer)
    second, _, _ = workspace.trainer(workspace.plan.config)
    assert not torch.equal(next(first.text.stages[-2].parameters()), next(second.text.stages[-2].parameters()))
    assert_equal(second.state_dict(), expected)


def test_frozen_stages_are_shared_and_trained_ones_are_not(weights_dir):
    workspace = make_workspace(weights_dir)
    one, other = (workspace.model(workspace.plan.config.model, seed) for seed in (0, 1))
    assert one.text.stages[0] is other.text.stages[0]
    assert one.text.stages[-2] is not other.text.stages[-2]
    assert one.image.stages[-1] is other.image.stages[-1]


def test_the_seed_decides_fusion_and_head_whatever_came_before(weights_dir):
    workspace = make_workspace(weights_dir)
    head = workspace.model(workspace.plan.config.model, 3).head.state_dict()
    torch.rand(100)
    assert_equal(workspace.model(workspace.plan.config.model, 3).head.state_dict(), head)
    fresh = make_workspace(weights_dir)
    assert_equal(fresh.model(fresh.plan.config.model, 3).head.state_dict(), head)
    other = workspace.model(workspace.plan.config.model, 4).head.state_dict()
    assert any(not torch.equal(head[name], other[name]) for name in head)


def test_encoders_from_scratch_start_anew_with_each_seed(weights_dir):
    workspace = make_workspace(weights_dir, ModelConfig(encoders="light", image_size_px=32))
    states = [workspace.model(workspace.plan.config.model, seed).state_dict() for seed in (0, 0, 1)]
    assert_equal(states[0], states[1])
    name = next(name for name in states[0] if name.startswith("text.stages.0"))
    assert not torch.equal(states[0][name], states[2][name])


def test_augmented_arms_share_the_plain_features_and_the_views_of_all_seeds(weights_dir):
    workspace = make_workspace(weights_dir)
    images = len({pair.image_digest for pair in workspace.plan.dataset.pairs})
    train_images = len({workspace.plan.dataset.pairs[row].image_digest for row in workspace.train})
    for seed in (0, 1):
        workspace.trainer(workspace.plan.config)
        workspace.trainer(workspace.plan.variant(augmentation="flip", augmentation_views=2, seed=seed))
    assert workspace.encoder_runs["image"] == images + 2 * train_images


def test_a_variant_takes_what_belongs_to_its_fusion_where_the_user_was_silent():
    plan = plan_run(replace(CONFIG, model=replace(CONFIG.model, auxiliary_weight=None, head_hidden=None)))
    own = plan.variant("early")
    assert (own.model.head_hidden, own.model.head_dropout) == ((256,), (0.3,))
    assert plan.variant("concat").model.head_dropout == (0.25,)
    assert plan.variant("logit-ensemble").model.auxiliary_weight == 1.0
    said = plan_run(replace(CONFIG, model=replace(CONFIG.model, head_hidden=(7,), head_dropout=(0.0,))))
    assert said.variant("early").model.head_hidden == (7,)


def test_a_modality_that_is_not_read_is_not_encoded(weights_dir):
    workspace = make_workspace(weights_dir)
    *_, trainer = workspace.trainer(workspace.plan.variant("text-only"))
    trained_to_the_end(trainer)
    assert workspace.encoder_runs["text"] > 0
    assert workspace.encoder_runs["image"] == 0


def test_models_that_store_other_stages_meet_the_pairs_in_the_same_batches(weights_dir):
    frozen = replace(FROZEN, freeze_text="all")
    workspace = make_workspace(weights_dir, frozen)
    tables = [workspace.trainer(workspace.plan.variant(name))[1] for name in ("concat", "cross-attention")]
    assert tables[0].text is not tables[1].text
    batches = [list(EpochBatches(table, 8, 0, is_training=True)) for table in tables]
    assert batches[0] == batches[1]
    assert tables[0].val == tables[1].val


@pytest.mark.parametrize(
    ("from_scratch", "pretrained"),
    [("text", {"image_encoder": "timm:test_resnet"}), ("image", {"text_encoder": "bert"})],
)
def test_models_beside_an_encoder_from_scratch_share_the_features_of_the_pretrained_one(
    from_scratch, pretrained, weights_dir
):
    """Each arm used to add a column, an encoder and its features, which stayed in memory to the end."""
    (modality,) = {"text", "image"} - {from_scratch}
    frozen = {f"freeze_{modality}": "all", f"freeze_{from_scratch}": "none"}
    workspace = make_workspace(weights_dir, ModelConfig(encoders="light", image_size_px=32, **pretrained, **frozen))
    models, tables = zip(*(workspace.trainer(workspace.plan.variant(seed=seed))[:2] for seed in (0, 1, 2)), strict=True)
    assert len({id(getattr(table, side)) for table in tables for side in ("text", "image")}) == 2
    own = [next(getattr(model, from_scratch).stages[0].parameters()) for model in models]
    assert not torch.equal(own[0], own[1])
    if modality == "image":
        assert len({id(model.image.stages[0]) for model in models}) == 1
