"""One modality alone, as a reference for the fusions."""

from torch import Tensor, nn

from mmsent_cli.encoders.contract import Encoded


class TextOnly(nn.Module):
    """Return the text feature t. The image encoder is neither run nor trained."""

    def __init__(self, text_dim: int, image_dim: int) -> None:
        super().__init__()
        self.out_dim = text_dim

    def forward(self, text: Encoded, image: Encoded) -> Tensor:
        return text.pooled  # [B, Dt]


class ImageOnly(nn.Module):
    """Return the image feature v. The text encoder is neither run nor trained."""

    def __init__(self, text_dim: int, image_dim: int) -> None:
        super().__init__()
        self.out_dim = image_dim

    def forward(self, text: Encoded, image: Encoded) -> Tensor:
        return image.pooled  # [B, Dv]
