"""Small random models, saved as their libraries save the real ones."""

from pathlib import Path

import torch

LETTERS = "abcdefghijklmnopqrstuvwxyz"
WIDTH = 16


def write_weights(folder: Path) -> Path:
    """One folder or file for each pretrained encoder that is read from disk."""
    torch.manual_seed(0)
    _write_bert(folder / "bert-base-uncased")
    _write_clip(folder / "clip-vit-base-patch32")
    _write_mpnet(folder / "all-mpnet-base-v2")
    _write_roberta(folder / "small-roberta")
    _write_twitter_roberta(folder / "twitter-roberta-base")
    _write_distilbert(folder / "small-distilbert")
    _write_albert(folder / "small-albert")
    _write_vit(folder / "small-vit")
    for name in ("test_resnet", "test_efficientnet", "test_vit"):
        write_timm(folder / name, name)
    _write_resnet18(folder / "resnet18.pth")
    return folder


def shake(model: torch.nn.Module) -> torch.nn.Module:
    """Random biases, norms and statistics too, so that leaving one out changes an output."""
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point() and tensor.dim() == 1:
                tensor.add_(torch.rand_like(tensor) * (0.5 if "var" in name else 0.2))
    return model


def _sizes() -> dict[str, int]:
    return {"hidden_size": WIDTH, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32}


def _write_tokenizer(folder: Path, start: str, end: str, pad: str, max_length_tokens: int) -> dict[str, int]:
    """A WordPiece tokenizer over single letters; returns its vocabulary."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    specials = list(dict.fromkeys((pad, "[UNK]", start, end)))
    words = [*specials, *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    vocabulary = {word: index for index, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    around = [(start, vocabulary[start]), (end, vocabulary[end])]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{start} $A {end}", special_tokens=around)
    names = {"bos_token": start, "eos_token": end, "cls_token": start, "sep_token": end}
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=pad, unk_token="[UNK]", model_max_length=max_length_tokens, **names
    )
    fast.save_pretrained(folder)
    return vocabulary


def _write_bert(folder: Path) -> None:
    from transformers import BertConfig, BertModel

    words = _write_tokenizer(folder, "[CLS]", "[SEP]", "[PAD]", 64)
    shake(BertModel(BertConfig(vocab_size=len(words), max_position_embeddings=64, **_sizes()))).save_pretrained(folder)


def _write_mpnet(folder: Path) -> None:
    from transformers import MPNetConfig, MPNetModel

    words = _write_tokenizer(folder, "<s>", "</s>", "<pad>", 62)
    config = MPNetConfig(vocab_size=len(words), max_position_embeddings=64, pad_token_id=0, **_sizes())
    shake(MPNetModel(config, add_pooling_layer=False)).save_pretrained(folder)


def _write_roberta(folder: Path) -> None:
    from transformers import RobertaConfig, RobertaModel

    words = _write_tokenizer(folder, "<s>", "</s>", "<pad>", 62)
    config = RobertaConfig(vocab_size=len(words), max_position_embeddings=64, pad_token_id=0, **_sizes())
    shake(RobertaModel(config)).save_pretrained(folder)


def _write_twitter_roberta(folder: Path) -> None:
    """As published: a masked language model, whose encoder has no pooler."""
    from transformers import RobertaConfig, RobertaForMaskedLM

    words = _write_tokenizer(folder, "<s>", "</s>", "<pad>", 62)
    config = RobertaConfig(vocab_size=len(words), max_position_embeddings=64, pad_token_id=0, **_sizes())
    shake(RobertaForMaskedLM(config)).save_pretrained(folder)


def _write_distilbert(folder: Path) -> None:
    from transformers import DistilBertConfig, DistilBertModel

    words = _write_tokenizer(folder, "[CLS]", "[SEP]", "[PAD]", 64)
    sizes = {"dim": WIDTH, "n_layers": 2, "n_heads": 2, "hidden_dim": 32}
    config = DistilBertConfig(vocab_size=len(words), max_position_embeddings=64, **sizes)
    shake(DistilBertModel(config)).save_pretrained(folder)


def _write_albert(folder: Path) -> None:
    from transformers import AlbertConfig, AlbertModel

    words = _write_tokenizer(folder, "[CLS]", "[SEP]", "[PAD]", 64)
    config = AlbertConfig(vocab_size=len(words), embedding_size=8, max_position_embeddings=64, **_sizes())
    shake(AlbertModel(config)).save_pretrained(folder)


def _write_clip(folder: Path) -> None:
    from transformers import CLIPConfig, CLIPModel

    words = _write_tokenizer(folder, "<|startoftext|>", "<|endoftext|>", "<|endoftext|>", 77)
    start, end = words["<|startoftext|>"], words["<|endoftext|>"]
    ids = {"bos_token_id": start, "eos_token_id": end, "pad_token_id": end}
    text = {"vocab_size": len(words), "max_position_embeddings": 77, "projection_dim": 12, **ids, **_sizes()}
    vision = {"image_size": 32, "patch_size": 8, "projection_dim": 12, **_sizes()}
    shake(CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=12))).save_pretrained(folder)


def _write_vit(folder: Path) -> None:
    from transformers import ViTConfig, ViTImageProcessor, ViTModel

    shake(ViTModel(ViTConfig(image_size=32, patch_size=8, **_sizes()))).save_pretrained(folder)
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)


def write_timm(folder: Path, architecture: str) -> None:
    """A network as `timm.models.save_for_hf` writes it."""
    import timm

    timm.models.save_for_hf(shake(timm.create_model(architecture, num_classes=5)), folder, safe_serialization=True)


def _write_resnet18(path: Path) -> None:
    from torchvision.models import resnet18

    torch.save(shake(resnet18()).state_dict(), path)
