"""RoBERTa-base trained on 58 million English tweets. The 3072 features are the means of the last four layers.

Chosen: the language model, which was trained on texts only. Rejected: the same model fine-tuned for sentiment. It was
trained on labels of other tweets, so its metrics could not be compared with the metrics of the other presets.
"""

from typing import TYPE_CHECKING

from mmsent_cli.encoders.contract import BuildRequest, Encoder
from mmsent_cli.encoders.stages import LayerMeans, NoPool
from mmsent_cli.encoders.text.bert import load_stages

if TYPE_CHECKING:
    from tokenizers import Tokenizer

NAME = "cardiffnlp/twitter-roberta-base"
N_LAYERS_KEPT = 4
"""Number of last layers whose means are concatenated, as in `minilm-layers` and `mpnet-layers`."""
PLACEHOLDERS = ((r"(?<!\S)@\S+", "@user"), (r"(?<!\S)http\S*", "http"))
"""Account names and links are replaced by these words, as in the tweets that the model was trained on."""


def build(request: BuildRequest) -> Encoder:
    """Build the encoder as one stage."""
    stages, inputs, width = load_stages(request, NAME)
    _replace_names(inputs.tokenizer)
    kept = range(max(0, len(stages) - N_LAYERS_KEPT), len(stages))
    stage = LayerMeans(stages, kept)
    return Encoder(name="twitter-roberta", inputs=inputs, stages=[stage], pool=NoPool(), out_dim=width * len(kept))


def _replace_names(tokenizer: "Tokenizer") -> None:
    """Make the tokenizer replace account names and links by placeholders. An exported model then does the same."""
    from tokenizers import Regex, normalizers

    steps = [normalizers.Replace(Regex(pattern), word) for pattern, word in PLACEHOLDERS]
    tokenizer.normalizer = normalizers.Sequence([*steps, *([tokenizer.normalizer] if tokenizer.normalizer else [])])
