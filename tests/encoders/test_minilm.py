"""MiniLM: its weights are copied or mapped, and training leaves out padding."""

import pytest
import torch

from mmsent_cli.encoders.stages import TokenBlock
from mmsent_cli.encoders.text.minilm import MiniLMEmbeddings, MiniLMLayer, load_minilm
from mmsent_cli.encoders.text.mpnet import MPNetLayer

CONFIG = {
    "hidden_size": 4,
    "vocab_size": 9,
    "pad_token_id": 0,
    "max_position_embeddings": 8,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "num_attention_heads": 2,
    "intermediate_size": 8,
    "num_hidden_layers": 1,
}


@pytest.mark.parametrize("is_mapped", [False, True])
def test_weights_are_copied_unless_they_may_stay_in_their_file(is_mapped):
    state = {f"embeddings.{name}": each for name, each in MiniLMEmbeddings(CONFIG).state_dict().items()}
    state |= {f"encoder.layer.0.{name}": each for name, each in MiniLMLayer(CONFIG).state_dict().items()}
    embeddings, (layer,) = load_minilm(CONFIG, state, is_mapped)
    for module, prefix in ((embeddings, "embeddings."), (layer, "encoder.layer.0.")):
        for name, tensor in module.state_dict().items():
            assert torch.equal(tensor, state[prefix + name])
            assert (tensor.data_ptr() == state[prefix + name].data_ptr()) == is_mapped
    assert all(parameter.requires_grad for parameter in layer.parameters())


def _layer(kind):
    torch.manual_seed(1)
    config = {**CONFIG, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    return MiniLMLayer(config) if kind == "minilm" else MPNetLayer(config, torch.randn(2, 15))


@pytest.mark.parametrize("kind", ["minilm", "mpnet"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_training_computes_real_tokens_as_evaluation_does(kind, dtype):
    layer = _layer(kind)
    block, mask = TokenBlock(layer), torch.arange(7) < torch.tensor([7, 1, 4]).unsqueeze(1)
    results = []
    for is_training in (True, False):
        values = torch.randn(3, 7, 4, generator=torch.Generator().manual_seed(2), requires_grad=True)
        layer.zero_grad()
        with torch.autocast("cpu", dtype=dtype, enabled=dtype != torch.float32):
            output = block.train(is_training)(values, mask)
        (output * mask.unsqueeze(-1)).float().pow(3).sum().backward()
        results.append((output[mask].detach().float(), values.grad[mask], *(each.grad for each in layer.parameters())))
        assert not is_training or not output[~mask].any()
    close = {"rtol": 1e-4, "atol": 1e-5} if dtype == torch.float32 else {"rtol": 0.1, "atol": 0.3}
    for trained, evaluated in zip(*results, strict=True):
        torch.testing.assert_close(trained, evaluated, **close)


def test_padding_costs_no_linear_layer_in_training():
    layer = _layer("minilm").train()
    rows = []
    layer.intermediate["dense"].register_forward_hook(lambda _, inputs, __: rows.append(inputs[0].shape))
    TokenBlock(layer)(torch.randn(2, 6, 4), torch.arange(6) < torch.tensor([[6], [2]]))
    assert rows == [(8, 4)]
