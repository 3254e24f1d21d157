"""Our stages give what the original models give in their own libraries."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from mmsent_cli.encoders.contract import BuildRequest
from mmsent_cli.encoders.registry import TEXT_ENCODERS
from mmsent_cli.encoders.text.mpnet import distance_biases
from mmsent_cli.encoders.weights.source import WeightSource
from mmsent_cli.features.batching import raw_pad, stack
from tests.encoders.cases import built, fresh, raw_arrays, sample

EXACT = {"rtol": 1e-5, "atol": 1e-6}
pytestmark = pytest.mark.usefixtures("no_gradient")


@pytest.fixture
def no_gradient():
    with torch.no_grad():
        yield


def pixels(encoder, mean, std):
    """The float images that an original model takes."""
    images = np.stack(raw_arrays(encoder, "image")).astype(np.float32) / 255
    shaped = [np.asarray(numbers, dtype=np.float32).reshape(1, 3, 1, 1) for numbers in (mean, std)]
    return torch.from_numpy((images - shaped[0]) / shaped[1])


def test_bert_is_the_first_token_of_the_last_layer(weights_dir):
    from transformers import BertModel

    original = BertModel.from_pretrained(weights_dir / "bert-base-uncased").eval()
    encoder = built("text", "bert", weights_dir)
    ids, mask = sample(encoder, "text")
    hidden = original(input_ids=ids, attention_mask=mask.long()).last_hidden_state
    torch.testing.assert_close(encoder(sample(encoder, "text")).pooled, hidden[:, 0], **EXACT)


@pytest.mark.parametrize("name", ["small-roberta", "small-distilbert", "small-albert"])
def test_hf_texts_are_the_mean_over_the_mask(name, weights_dir):
    from transformers import AutoModel

    original = AutoModel.from_pretrained(weights_dir / name).eval()
    encoder = built("text", f"hf:{name}", weights_dir)
    ids, mask = sample(encoder, "text")
    hidden = original(input_ids=ids, attention_mask=mask.long()).last_hidden_state
    mean = torch.stack([row[real].mean(dim=0) for row, real in zip(hidden, mask, strict=True)])
    torch.testing.assert_close(encoder(sample(encoder, "text")).pooled, mean, **EXACT)


def test_twitter_roberta_is_the_means_of_the_last_layers_of_texts_with_placeholders(weights_dir):
    from transformers import AutoModel

    original = AutoModel.from_pretrained(weights_dir / "twitter-roberta-base").eval()
    encoder = built("text", "twitter-roberta", weights_dir)
    names, plain = ("@some_one: see https://t.co/abc now", "me@home http"), ("@user see http now", "me@home http")
    assert [ids.tolist() for ids in encoder.inputs.arrays(names)] == [
        ids.tolist() for ids in encoder.inputs.arrays(plain)
    ]
    ids, mask = sample(encoder, "text")
    states = original(input_ids=ids, attention_mask=mask.long(), output_hidden_states=True).hidden_states
    means = [torch.stack([row[real].mean(dim=0) for row, real in zip(s, mask, strict=True)]) for s in states[-4:]]
    pooled = encoder(sample(encoder, "text")).pooled
    torch.testing.assert_close(pooled, torch.cat(means, dim=1), **EXACT)


@pytest.mark.parametrize("side", ["text", "image"])
def test_clip_by_name_is_the_encoder_of_the_table(side, weights_dir):
    named, own = built(side, "hf:clip-vit-base-patch32", weights_dir), built(side, "clip", weights_dir)
    assert torch.equal(named(sample(named, side)).pooled, own(sample(own, side)).pooled)
    assert named.name != own.name


def test_minilm_is_the_published_sentence_model():
    """Against the same folder loaded whole, masked mean included."""
    from transformers import BertModel

    from mmsent_cli.encoders.text.minilm import published_weights

    folder = published_weights().parent
    original = BertModel.from_pretrained(folder, add_pooling_layer=False).eval()
    encoder = built("text", "minilm", folder)
    ids, mask = sample(encoder, "text")
    hidden = original(input_ids=ids, attention_mask=mask.long()).last_hidden_state
    mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    torch.testing.assert_close(encoder(sample(encoder, "text")).pooled, mean, rtol=1e-4, atol=1e-5)
    near, far = functional.cosine_similarity(mean[:1], mean[[3, 1]])
    assert near > far, "'good day' is nearer to 'no sun today' than to 'a'"


def test_minilm_has_the_modules_of_bert_in_training_too():
    """The same names in the same order, which checkpoints hold, and the same values where nothing is dropped."""
    from transformers import BertModel

    from mmsent_cli.encoders.text.bert import text_stages
    from mmsent_cli.encoders.text.minilm import published_weights

    folder = published_weights().parent
    original = torch.nn.ModuleList(text_stages(BertModel.from_pretrained(folder, add_pooling_layer=False)))
    own = fresh("text", "minilm", folder).stages[:-1]
    assert list(own.state_dict()) == list(original.state_dict())
    ids, mask = sample(built("text", "minilm", folder), "text")
    results = []
    for stages in (original, own):
        for module in stages.modules():
            for name in {"p", "dropout_prob"} & vars(module).keys():
                setattr(module, name, 0.0)
        values = ids
        for stage in stages.train():
            values = stage(values, mask)
        results.append(values)
    torch.testing.assert_close(*results, rtol=1e-3, atol=1e-4)


def test_mpnet_is_the_mean_over_the_mask_with_long_distances_too(weights_dir):
    """60 tokens lie in buckets of their own and in shared ones, before and after each other."""
    from transformers import MPNetModel

    original = MPNetModel.from_pretrained(weights_dir / "all-mpnet-base-v2", add_pooling_layer=False).eval()
    encoder = built("text", "mpnet", weights_dir)
    arrays = encoder.inputs.arrays(["good day", "so " * 40])
    inputs = stack(arrays, raw_pad(encoder))
    assert len(arrays[1]) > 60
    hidden = original(input_ids=inputs.values, attention_mask=inputs.mask.long()).last_hidden_state
    mean = (hidden * inputs.mask[..., None]).sum(1) / inputs.mask.sum(1, keepdim=True)
    torch.testing.assert_close(encoder(inputs).pooled, mean, **EXACT)


def test_mpnet_distances_are_those_of_the_original():
    from transformers.models.mpnet.modeling_mpnet import MPNetEncoder

    table = torch.arange(32.0)[:, None]  # each bucket is its own bias
    ours = distance_biases(table, 512)[0]
    assert torch.equal(ours, MPNetEncoder.relative_position_bucket(torch.arange(-511, 512)).float())


def test_mpnet_is_the_published_sentence_model(tmp_path):
    """The digest of the weights is checked on the way."""
    source = WeightSource(None, offline=True, cache=tmp_path)
    encoder = TEXT_ENCODERS["mpnet"].build(BuildRequest(weights=source)).eval()
    near, far, good = encoder(sample(encoder, "text")).pooled[[3, 1, 0]]
    assert functional.cosine_similarity(good, near, dim=0) > functional.cosine_similarity(good, far, dim=0)


def test_lite0_is_the_network_of_timm_in_training_too():
    import timm

    from mmsent_cli.encoders.image.lite0 import load_lite0, published_weights
    from mmsent_cli.encoders.weights.source import load_state

    published = load_state(published_weights())
    original = timm.create_model("tf_efficientnet_lite0", num_classes=1000)
    original.load_state_dict(dict(zip(original.state_dict(), published.values(), strict=True)))
    own = load_lite0(published)
    assert list(own.state_dict()) == list(original.state_dict())[: len(own.state_dict())]
    for size, is_training in (((64, 64), False), ((97, 65), False), ((64, 64), True)):
        values = torch.rand(2, 3, *size)
        results = []
        for net in (original.train(is_training), own.train(is_training)):
            results.append(net.bn2(net.conv_head(net.blocks(net.bn1(net.conv_stem(values))))))
        torch.testing.assert_close(*results, **EXACT)


def test_clip_texts_are_the_projected_features(weights_dir):
    from transformers import CLIPModel

    original = CLIPModel.from_pretrained(weights_dir / "clip-vit-base-patch32").eval()
    encoder = built("text", "clip", weights_dir)
    ids, mask = sample(encoder, "text")
    features = original.get_text_features(input_ids=ids, attention_mask=mask.long())
    expected = getattr(features, "pooler_output", features)
    torch.testing.assert_close(encoder(sample(encoder, "text")).pooled, expected, **EXACT)


def test_clip_images_are_the_projected_features(weights_dir):
    from transformers import CLIPModel

    from mmsent_cli.encoders.image.clip import MEAN, STD

    original = CLIPModel.from_pretrained(weights_dir / "clip-vit-base-patch32").eval()
    encoder = built("image", "clip", weights_dir)
    features = original.get_image_features(pixel_values=pixels(encoder, MEAN, STD))
    expected = getattr(features, "pooler_output", features)
    torch.testing.assert_close(encoder(sample(encoder, "image")).pooled, expected, **EXACT)


def test_hf_images_are_the_pooled_output_of_their_own_preprocessing(weights_dir):
    from transformers import AutoImageProcessor, AutoModel

    folder = weights_dir / "small-vit"
    original, processor = AutoModel.from_pretrained(folder).eval(), AutoImageProcessor.from_pretrained(folder)
    encoder = built("image", "hf:small-vit", weights_dir)
    expected = original(pixel_values=pixels(encoder, processor.image_mean, processor.image_std)).pooler_output
    torch.testing.assert_close(encoder(sample(encoder, "image")).pooled, expected, **EXACT)


def test_resnet18_is_torchvisions_without_classifier(weights_dir):
    from torchvision.models import resnet18

    from mmsent_cli.encoders.image.resnet import MEAN, STD

    original = resnet18()
    original.load_state_dict(torch.load(weights_dir / "resnet18.pth"))
    original.fc = torch.nn.Identity()
    encoder = built("image", "resnet18", weights_dir)
    expected = original.eval()(pixels(encoder, MEAN, STD))
    torch.testing.assert_close(encoder(sample(encoder, "image")).pooled, expected, rtol=1e-4, atol=1e-5)


def test_efficientnet_lite0_is_timms_with_the_published_weights(weights_dir):
    import timm

    from mmsent_cli.encoders.image.lite0 import published_weights

    original = timm.create_model("tf_efficientnet_lite0", num_classes=1000)
    published = torch.load(published_weights())
    original.load_state_dict(dict(zip(original.state_dict(), published.values(), strict=True)))
    original.reset_classifier(0)
    encoder = built("image", "efficientnet-lite0", weights_dir)
    expected = original.eval()(pixels(encoder, (0.5,) * 3, (0.5,) * 3))
    torch.testing.assert_close(encoder(sample(encoder, "image")).pooled, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet", "test_vit"])
def test_timm_folders_are_timms_own_features(name, weights_dir):
    import timm
    from safetensors.torch import load_file

    original = timm.create_model(name, num_classes=5)
    original.load_state_dict(load_file(weights_dir / name / "model.safetensors"))
    original.reset_classifier(0)
    encoder = built("image", f"timm:{name}", weights_dir)
    settings = original.pretrained_cfg
    expected = original.eval()(pixels(encoder, settings["mean"], settings["std"]))
    torch.testing.assert_close(encoder(sample(encoder, "image")).pooled, expected, **EXACT)
