"""MiniLM's weights: copied for training, left in their file where another engine computes the stages."""

import pytest
import torch

from mmsent_cli.encoders.text.minilm import MiniLMEmbeddings, MiniLMLayer, load_minilm

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
