"""A text without words is missing, by whatever way the pair comes in, and whatever the model's cleaning removes."""

import base64
import json
from pathlib import Path

import pandas as pd
import pytest
from starlette.testclient import TestClient

from mmsent_cli import api
from mmsent_cli.config import RuntimeConfig
from mmsent_cli.config.command_settings import ServeSettings
from mmsent_cli.inference.predictor import Predictor
from mmsent_cli.server.app import create_app
from tests.commands.running import QUICK, succeed

LINK, IMAGE = "https://t.co/abc", "lab/data/8.jpg"


@pytest.mark.parametrize("cleaning", ["urls", ""])
def test_a_link_alone_is_missing_whether_or_not_the_model_reads_links(work, cleaning):
    (work / "data/8.txt").write_text(LINK)
    checked = succeed("check", "--data", "lab", "--encoders", "light", "--text-cleaning", cleaning, "--json")
    (listed,) = [one for one in checked["checks"] if one["check"] == "texts without words"]
    trained = succeed("train", "--data", "lab", *QUICK, "--epochs", 1, "--text-cleaning", cleaning, "--json")
    run = Path(trained["run"])
    pd.DataFrame({"guid": ["a"], "text": [LINK], "image": [IMAGE]}).to_csv("new.csv", index=False)
    single = succeed("predict", "--text", LINK, "--image", IMAGE, "--json")
    table = succeed("predict", "--data", "new.csv", "--out", "out.csv", "--probabilities", "--json")
    succeed("predict", "--data", "new.csv", "--out", "out.jsonl")
    model = api.load(run)
    app = create_app(Predictor.load(run / "best_model.pt", RuntimeConfig()), ServeSettings())
    with TestClient(app) as web:
        body = {"text": LINK, "image": base64.b64encode(Path(IMAGE).read_bytes()).decode()}
        served = web.post("/predict", json=body).json()
    found = {
        "single": single["prediction"]["missing"],
        "csv": pd.read_csv("out.csv", keep_default_na=False)["missing"][0],
        "jsonl": json.loads(Path("out.jsonl").read_text())["missing"],
        "python": model.predict_one(text=LINK, image=IMAGE).missing,
        "frame": model.predict(pd.DataFrame({"text": [LINK], "image": [IMAGE]}))["missing"][0],
        "serve": served["missing"],
    }
    assert found == dict.fromkeys(found, "text")
    assert single["missing_text"] == table["missing_text"] == len(listed["pairs"]) == 1
    assert any(note.startswith("1 text without words") for note in trained["notes"])
