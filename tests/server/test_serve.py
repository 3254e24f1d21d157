"""The web server: same answers as the predictor, common batches, limits, and hostile bodies."""

import asyncio
import base64
import errno
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from mmsent_cli import __version__
from mmsent_cli.commands.app import app as commands
from mmsent_cli.config.command_settings import ServeSettings
from mmsent_cli.data.pairs import Pair
from mmsent_cli.errors import ConfigError
from mmsent_cli.results import Prediction
from mmsent_cli.server.app import create_app
from mmsent_cli.server.batcher import Batcher
from mmsent_cli.server.inputs import Refusal
from mmsent_cli.server.server import choose_token, is_loopback, open_socket, shown_address
from tests.data.builders import huge_png, image_bytes

ROOT = Path(__file__).parents[2]
LABELS = ("negative", "positive")
SETTINGS = ServeSettings(max_megabytes=0.2, max_megapixels=0.5, max_text=200, max_pairs=4, queue=8, timeout=20)
PICTURE = image_bytes(1)


class Counting:
    """Predicts by the length of the text, and remembers the sizes of its batches."""

    def __init__(self):
        self.description = SimpleNamespace(labels=LABELS, run="some-run")
        self.batches = []

    def predict(self, pairs):
        pairs = list(pairs)
        self.batches.append(len(pairs))
        return [answer_for(pair) for pair in pairs]


def answer_for(pair):
    share = min(len(pair.text or ""), 100) / 100
    missing = "text" if pair.text is None else "image" if pair.image is None else ""
    shares = {"negative": 1 - share, "positive": share}
    return Prediction(guid=pair.guid, tag=max(shares, key=shares.get), probabilities=shares, missing=missing)


@contextmanager
def client(settings=SETTINGS, model=None, **given):
    with TestClient(create_app(model or Counting(), settings, **given), raise_server_exceptions=False) as opened:
        yield opened


def in_base64(raw):
    return base64.b64encode(raw).decode()


def test_json_and_form_give_the_same_answer():
    with client() as web:
        text = "x" * 70
        given = {"text": text, "image": in_base64(PICTURE)}
        answers = [
            web.post("/predict", json=given),
            web.post("/predict", json={**given, "image": f"data:image/jpeg;base64,{in_base64(PICTURE)}"}),
            web.post("/predict", data={"text": text}, files={"image": ("a.jpg", PICTURE)}),
        ]
        typed = web.post("/predict", data={"text": text})  # as `curl -d text=…` sends it
    assert typed.request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert (typed.json()["label"], typed.json()["missing"]) == ("positive", "image")
    for answer in answers:
        assert answer.status_code == 200
        assert answer.json() == {
            "label": "positive",
            "probabilities": {"negative": pytest.approx(0.3), "positive": 0.7},
            "missing": "",
            "model": {"run": "some-run", "mmsent": __version__},
        }


def test_several_pairs_keep_their_order_and_say_what_is_missing():
    with client() as web:
        pairs = [{"text": "x" * 80}, {"image": in_base64(PICTURE)}, {"text": "x" * 10, "image": None}]
        found = web.post("/predict", json={"pairs": pairs}).json()["predictions"]
    assert [each["label"] for each in found] == ["positive", "negative", "negative"]
    assert [each["missing"] for each in found] == ["image", "text", "image"]


def hostile_bodies():
    """Bodies that must be refused: content type, body, status."""
    as_json = "application/json"
    values = [None, 1, True, [], {}, "x", [{}], {"pairs": 3}, {"pairs": []}, {"pairs": [3]}, {"text": 3}, {"image": 5}]
    values += [{"text": " \n"}, {"text": "", "image": ""}, {"txt": "a"}, {"text": "x" * 201}, {"text": ["a"]}]
    values += [{"pairs": [{"text": "a"}] * 5}, {"pairs": [{"text": "a"}], "text": "b"}]
    for path in (
        "/etc/passwd",
        "file:///etc/passwd",
        "http://127.0.0.1:1/x",
        "../secret.jpg",
        "C:\\x.jpg",
        "\\\\host\\x",
    ):
        values += [{"image": path}, {"text": "a", "image": path}]
    images = [b"no image", huge_png(30_000), huge_png(900), PICTURE[:200], b"GIF89a", b"\x89PNG\r\n\x1a\n", b"%PDF-1.4"]
    values += [{"image": in_base64(raw)} for raw in images]
    for value in values:
        yield as_json, json.dumps(value).encode()
    raw = [
        b"",
        b"{",
        b'{"text": "\\ud800"}',
        b'{"text": "a"} x',
        b"[" * 50_000,
        b'{"a":' * 20_000,
        b"\xff\xfe{}",
        b"NaN",
    ]
    yield from ((as_json, body) for body in raw)
    form = "multipart/form-data; boundary=b"
    head = b'--b\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n'
    yield form, b""
    yield form, b"--b"
    yield "multipart/form-data", b"x"
    yield form, head % (b"image", b"") + b"/etc/passwd\r\n--b--\r\n"
    yield form, head % (b"image", b'; filename="../../x.jpg"') + b"/etc/passwd\r\n--b--\r\n"
    yield form, head % (b"path", b"") + b"/etc/passwd\r\n--b--\r\n"
    yield form, head % (b"text", b'; filename="a.txt"') + b"x\r\n--b--\r\n"
    yield "text/plain", b"what a day"
    yield from (("application/x-www-form-urlencoded", body) for body in (b"", b"text", b"image=/etc/passwd", b"path=a"))
    yield "", b"{}"
    rng = random.Random(0)
    good = json.dumps({"text": "a day", "image": in_base64(PICTURE)}).encode()
    for _ in range(450):  # cut, or with some bytes replaced so that it is no JSON any more
        body = bytearray(good[: rng.randrange(len(good) - 1)])
        for _ in range(rng.randrange(4)):
            if body:
                body[rng.randrange(len(body))] = rng.randrange(256)
        yield as_json, bytes(body)


def test_500_hostile_bodies_are_refused_and_reach_no_model():
    model, seen = Counting(), 0
    with client(model=model) as web:
        for kind, body in hostile_bodies():
            answer = web.post("/predict", content=body, headers={"content-type": kind})
            assert 400 <= answer.status_code < 500, (kind, body[:80], answer.status_code, answer.text)
            assert set(answer.json()) == {"error", "hint"}
            seen += 1
        assert web.post("/predict", json={"text": "still there"}).status_code == 200
    assert seen >= 500
    assert model.batches == [1]


def test_undecodable_text_of_a_form_is_read_with_marks():
    body = b'--b\r\nContent-Disposition: form-data; name="text"\r\n\r\nfine \xff\xfe\r\n--b--\r\n'
    with client() as web:
        answer = web.post("/predict", content=body, headers={"content-type": "multipart/form-data; boundary=b"})
    assert answer.status_code == 200


def test_a_body_over_the_limit_is_refused_with_and_without_its_length():
    def parts():
        for _ in range(30):
            yield b" " * 10_000

    with client() as web:
        headers = {"content-type": "application/json"}
        assert web.post("/predict", content=b" " * 300_000, headers=headers).status_code == 413
        assert web.post("/predict", content=parts(), headers=headers).status_code == 413


def test_a_token_opens_everything_but_page_and_health():
    with client(token="secret") as web:
        assert web.get("/").status_code == web.get("/health").status_code == 200
        for path in ("/metrics", "/openapi.json", "/nothing"):
            assert web.get(path).status_code == 401
        for header in ("Bearer wrong", "secret", "Bearer", "Basic secret"):
            assert web.post("/predict", json={"text": "a"}, headers={"authorization": header}).status_code == 401
        right = {"authorization": "Bearer secret"}
        assert web.post("/predict", json={"text": "a"}, headers=right).status_code == 200


def test_an_address_for_others_gets_a_token(monkeypatch):
    monkeypatch.delenv("MMSENT_TOKEN", raising=False)
    assert choose_token(ServeSettings()) is None
    assert len(choose_token(ServeSettings(host="0.0.0.0")) or "") >= 24
    assert choose_token(ServeSettings(token="mine")) == "mine"
    monkeypatch.setenv("MMSENT_TOKEN", "theirs")
    assert choose_token(ServeSettings()) == "theirs"
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "example.org")] == [
        True,
        True,
        True,
        False,
        False,
    ]


def test_metrics_count_requests_and_classes():
    with client() as web:
        web.post("/predict", json={"text": "x" * 90})
        web.post("/predict", json={})
        lines = web.get("/metrics").text.splitlines()
    assert 'mmsent_requests_total{path="/predict",status="200"} 1.0' in lines
    assert 'mmsent_requests_total{path="/predict",status="422"} 1.0' in lines
    assert 'mmsent_pairs_total{label="positive"} 1.0' in lines


def test_the_page_loads_nothing_from_elsewhere():
    with client() as web:
        page = web.get("/")
        described = web.get("/openapi.json").json()
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "http://" not in page.text and "https://" not in page.text
    assert {"/predict", "/explain", "/health", "/metrics"} <= set(described["paths"])


def test_an_explanation_is_one_pair_at_a_time():
    with client() as web:
        assert web.post("/explain", json={"text": "a"}).status_code == 501


def pairs(count):
    return [Pair(guid=str(number), tag=None, text="x", image=None) for number in range(count)]


def test_waiting_requests_share_a_batch_and_a_full_queue_says_when_to_come_back():
    model, is_free = Counting(), threading.Event()

    def predict(given):
        is_free.wait(5)
        return model.predict(given)

    async def scenario():
        batcher = Batcher(predict, batch=4, queue=6, timeout=10)
        await batcher.start()
        first = asyncio.create_task(batcher.predict(pairs(1)))
        await asyncio.sleep(0.05)  # it is being predicted
        waiting = [asyncio.create_task(batcher.predict(pairs(2))) for _ in range(3)]
        await asyncio.sleep(0.05)
        with pytest.raises(Refusal) as refusal:
            await batcher.predict(pairs(1))
        is_free.set()
        answers = await asyncio.gather(first, *waiting)
        await batcher.stop()
        return refusal.value, answers

    refusal, answers = asyncio.run(scenario())
    assert refusal.status_code == 429 and int(refusal.headers["Retry-After"]) >= 1
    assert [len(answer) for answer in answers] == [1, 2, 2, 2]
    assert model.batches == [1, 4, 2]


def test_one_bad_pair_fails_alone():
    def predict(given):
        if any(pair.text == "bad" for pair in given):
            raise ConfigError("bad", "give a good one")
        return [answer_for(pair) for pair in given]

    async def scenario():
        batcher = Batcher(predict, batch=8, queue=8, timeout=10)
        bad = [Pair(guid="0", tag=None, text="bad", image=None)]
        tasks = [asyncio.create_task(batcher.predict(each)) for each in (pairs(1), bad, pairs(2))]
        await asyncio.sleep(0.05)
        await batcher.start()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        await batcher.stop()
        return answers

    good, bad, others = asyncio.run(scenario())
    assert (len(good), len(others)) == (1, 2)
    assert isinstance(bad, ConfigError)


def test_a_slow_model_is_given_up_and_a_stopping_server_refuses_what_waits():
    async def scenario():
        batcher = Batcher(lambda given: time.sleep(0.5) or [], batch=1, queue=8, timeout=0.1)
        await batcher.start()
        with pytest.raises(Refusal) as refusal:
            await batcher.predict(pairs(1))
        slow = Batcher(lambda given: [], batch=1, queue=8, timeout=5)
        waiting = asyncio.create_task(slow.predict(pairs(1)))
        await asyncio.sleep(0.02)
        await slow.stop()
        with pytest.raises(Refusal) as stopped:
            await waiting
        await batcher.stop()
        return refusal.value, stopped.value

    refusal, stopped = asyncio.run(scenario())
    assert (refusal.status_code, stopped.status_code) == (503, 503)


def test_the_address_is_one_that_a_browser_can_open(monkeypatch):
    listener = SimpleNamespace(getsockname=lambda: ("0.0.0.0", 4321))
    assert shown_address(ServeSettings(host="0.0.0.0"), listener, "t") == "http://127.0.0.1:4321/#token=t"
    assert shown_address(ServeSettings(host="::1"), listener, None) == "http://[::1]:4321/"
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: [(2,)])
    monkeypatch.setattr("socket.create_server", lambda *_, **__: (_ for _ in ()).throw(OSError(98, "in use")))
    with pytest.raises(ConfigError, match=r"cannot listen on 127\.0\.0\.1:8000"):
        open_socket(ServeSettings())


IN_USE = """
import sys
from mmsent_cli.commands.app import app
from mmsent_cli.server.server import open_socket
from mmsent_cli.config.command_settings import ServeSettings
with open_socket(ServeSettings(port=0)) as taken:
    port = taken.getsockname()[1]
    print(port)
    try:
        app(["serve", "--port", str(port)])
    finally:
        print("torch" in sys.modules)
"""


def test_an_address_in_use_is_refused_in_one_sentence_and_before_torch_is_imported():
    done = in_a_process(IN_USE)
    port, has_torch = done.stdout.split()
    assert (done.returncode, has_torch) == (1, "False")
    reason = os.strerror(errno.EADDRINUSE).lower()
    assert done.stderr.splitlines()[0] == f"error: cannot listen on 127.0.0.1:{port}: {reason}"


STOPPED = """
import asyncio, os, sys, threading, urllib.request
from mmsent_cli import interrupts
interrupts.watch()
from mmsent_cli.server.server import open_socket, run_server
from mmsent_cli.config.command_settings import ServeSettings
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    os.kill(os.getpid(), int(sys.argv[1]))
    await asyncio.sleep(0.9)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"done"})
with open_socket(ServeSettings(port=0)) as listener:
    address = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    client = threading.Thread(target=lambda: print(urllib.request.urlopen(address).read()))
    client.start()
    run_server(app, listener)
client.join()
print("returned")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_server_answers_what_runs_and_returns(number):
    """The answer takes longer than the command line waits before it ends a program that does not stop."""
    done = in_a_process(STOPPED, str(int(number)))
    assert (done.returncode, done.stdout.splitlines(), done.stderr) == (0, ["b'done'", "returned"], "")


def in_a_process(code, *arguments):
    """Run code in a process of its own, which may open a connection to itself."""
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    how = [sys.executable, "-c", code, *arguments]
    environment["PYTHONPATH"] = str(ROOT)
    return subprocess.run(how, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"pairs": [{"text": "a"}, {"text": " "}]}, "of pair 2"),
        ({"pairs": [{"text": "a"}, {"text": "b"}, {"text": 3}]}, "pair 3 text"),
    ],
)
def test_a_bad_pair_is_counted_from_1(body, place):
    with client() as web:
        answer = web.post("/predict", json=body)
    assert answer.status_code == 422 and place in answer.json()["error"]


def test_the_command_says_that_it_has_stopped_and_ends_well(monkeypatch):
    monkeypatch.setattr("mmsent_cli.api.serve", lambda **_: None)
    monkeypatch.setattr("mmsent_cli.server.server.open_socket", lambda _: SimpleNamespace(close=lambda: None))
    done = CliRunner().invoke(commands, ["serve"])
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "stopped\n")
