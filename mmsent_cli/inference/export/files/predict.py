"""Predict the sentiment of a text with its image, without mmsent and torch.

The input is one pair, or a file of JSON lines. In the second case, the output has JSON lines too.

    python predict.py --text "what a day" --image photo.jpg
    python predict.py --data pairs.jsonl > predictions.jsonl     # a line: {"text": "what a day", "image": "photo.jpg"}

Each line of input gives one line of output, which keeps the other fields of the pair, such as an "id". If a line cannot
be predicted, its output has an "error" instead of a label, and the exit code is 1.

Needs numpy, Pillow, tokenizers, onnxruntime (or openvino); README.md lists the other packages that this model needs.
"""

import argparse
import json
import os
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
from clean import clean
from PIL import Image, ImageOps
from tokenizers import Tokenizer

HERE = Path(__file__).resolve().parent
UNUSABLE = (OSError, ValueError, TypeError, AttributeError, SyntaxError, EOFError, LookupError, ArithmeticError)
UNUSABLE += (AssertionError, MemoryError, RecursionError, NotImplementedError, struct.error, zlib.error)
UNUSABLE += (Image.DecompressionBombError,)
"""Exceptions that can be raised by a line that is not a JSON object, a pair without text and image, or an unreadable
image."""
OWN = ("text", "image", "label", "probabilities", "error")
"""Fields of an input line that are not copied to the output, which has its own fields of these names."""
SPEC = json.loads((HERE / "model.json").read_text(encoding="utf-8"))
TOKENIZERS = {name: Tokenizer.from_file(str(HERE / text["tokenizer"])) for name, text in SPEC["texts"].items()}


def open_model():
    """Return a function that computes the probabilities [1, C] of C classes from a dict of inputs."""
    if (HERE / "model.onnx").is_file():
        import onnxruntime

        session = onnxruntime.InferenceSession(HERE / "model.onnx")
        return lambda inputs: session.run(None, inputs)[0]
    import openvino

    compiled = openvino.compile_model(HERE / "model.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda inputs: compiled(inputs)[0]


def token_ids(name, text):
    """Return the T token ids of a text for the encoder `name`, as an array int64 [1, T]."""
    given = SPEC["texts"][name]
    ids = TOKENIZERS[name].encode(clean(text, given["cleaning"])).ids or [given["pad_id"]]
    return np.array([ids], dtype=np.int64)


def pixels(path, side):
    """Return the pixels of an image as an array uint8 [1, 3, side, side], upright and on a white background.

    Without an image, all pixels are black.
    """
    if not path:
        return np.zeros((1, 3, side, side), dtype=np.uint8)
    image = Image.open(path)
    image.draft(None, (2 * side, 2 * side))
    image = ImageOps.exif_transpose(image)
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    square = image.convert("RGB").resize((side, side), Image.Resampling.BICUBIC, reducing_gap=2.0)
    return np.ascontiguousarray(np.asarray(square).transpose(2, 0, 1)[None])


def predict(model, text, image):
    """Return the probability of each class. Text or image may be None. Raises one of UNUSABLE for an unusable pair."""
    has_text, has_image = bool(text and text.strip()), bool(image)
    if not (has_text or has_image):
        raise ValueError("neither a text nor an image is given")
    inputs = {name: token_ids(name, text or "") for name in SPEC["texts"]}
    if SPEC["features"]:
        import features

        inputs |= {name: features.compute(name, text or "", HERE) for name in SPEC["features"]}
    inputs |= {name: pixels(image, side) for name, side in SPEC["image_sizes_px"].items()}
    inputs["present"] = np.array([[has_text, has_image]])
    return dict(zip(SPEC["labels"], map(float, model(inputs)[0]), strict=True))


def answered(model, line):
    """Return the answer to a line: the other fields of the pair, then label and probabilities, or an error."""
    kept = {}
    try:
        pair = json.loads(line)
        if not isinstance(pair, dict):
            raise ValueError("the line is not a JSON object")
        kept = {name: value for name, value in pair.items() if name not in OWN}
        text, image = pair.get("text"), pair.get("image")
        if not all(value is None or isinstance(value, str) for value in (text, image)):
            raise ValueError("text and image must be strings")
        found = predict(model, text, image)
    except UNUSABLE as error:
        return {**kept, "error": str(error) or type(error).__name__}
    return {**kept, "label": max(found, key=lambda label: found[label]), "probabilities": found}


def write_all(model, lines):
    """Write one JSON line for each line of the input. Return the number of written lines, and all errors."""
    count, failed = 0, []
    for line in lines:
        if line.strip():
            answer = answered(model, line)
            sys.stdout.write(json.dumps(answer, ensure_ascii=False) + "\n")
            count += 1
            failed += [answer["error"]] if "error" in answer else []
    sys.stdout.flush()
    return count, failed


def main():
    parser = argparse.ArgumentParser(description="Sentiment of a text with its image")
    parser.add_argument("--text", help="the text of one pair")
    parser.add_argument("--image", help="the image of one pair")
    parser.add_argument("--data", help="a file of JSON lines with text and image")
    options = parser.parse_args()
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    model = open_model()
    try:
        if options.data:
            with Path(options.data).open("rb") as lines:
                count, failed = write_all(model, lines)
        else:
            count, failed = write_all(model, [json.dumps({"text": options.text, "image": options.image})])
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python would write the rest on exit
        raise SystemExit(f"error: {error}\nhint: check the file of --data, and what reads the output") from None
    if failed:
        hint = "see the output lines with an error" if options.data else "give --text WORDS, --image FILE or both"
        raise SystemExit(
            f"error: cannot predict {len(failed)} of {count} pairs; the first error is: {failed[0]}\nhint: {hint}"
        )


if __name__ == "__main__":
    main()
