"""The served page in a browser: upload, answer, explanation, error, phone, keyboard, colors."""

import threading
import time
from contextlib import contextmanager

import httpx
import pytest
import uvicorn

from mmsent_cli.config.command_settings import ExplainSettings, ServeSettings
from mmsent_cli.inference.explain import Explainer
from mmsent_cli.server.app import create_app
from mmsent_cli.server.server import open_socket
from tests.browser import WIDER, open_browser
from tests.data.builders import image_bytes
from tests.inference.test_predictor import predictor  # noqa: F401  # a fixture

pytestmark = pytest.mark.enable_socket
TEXT = "what a good day " * 6
BARS = """
() => [...document.querySelectorAll("#answer .bar")].map(row => [
  row.children[0].textContent, parseFloat(row.querySelector("i").style.width), row.children[2].textContent,
])
"""
UNNAMED = """
() => [...document.querySelectorAll("input, textarea, button, img")]
  .filter(one => !(one.labels?.length || one.textContent.trim() || one.alt)).map(one => one.outerHTML)
"""
"""Controls and images that a screen reader would not name."""


@pytest.fixture(scope="module")
def address(predictor):  # noqa: F811
    """Where an untrained model is served, on a free port."""
    explainer = Explainer(predictor, ExplainSettings(grid=2))
    with served(create_app(predictor, ServeSettings(port=0), explain=explainer.explain)) as opened:
        yield opened


@contextmanager
def served(app):
    listener = open_socket(ServeSettings(port=0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def browser():
    with open_browser() as opened:
        yield opened


@pytest.fixture
def page(browser, address):
    """The page as a visitor first sees it."""
    browser.show()
    browser.page.goto(address)
    browser.page.wait_for_selector("#about:has-text('Model r')")
    return browser.page


def answered(page, selector="#answer .bar"):
    page.wait_for_selector(selector)
    return [(name, width / 100, shown) for name, width, shown in page.evaluate(BARS)]


def test_a_text_and_an_image_give_the_answer_of_the_endpoint(page, address):
    given = {"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": image_bytes(1, (90, 60))}
    page.set_input_files("#image", given)
    page.fill("#text", TEXT)
    assert page.get_attribute("#drop img", "alt") == "Chosen image: photo.jpg"
    page.click("#go")
    sent = {"image": ("photo.jpg", given["buffer"])}
    expected = httpx.post(f"{address}/predict", data={"text": TEXT}, files=sent).json()
    assert expected["missing"] == ""
    bars = answered(page)
    assert {name: share for name, share, _ in bars} == pytest.approx(expected["probabilities"], abs=1e-5)
    assert [float(shown.removesuffix(" %")) for *_, shown in bars] == pytest.approx(
        [100 * share for _, share, _ in bars], abs=0.0501
    )
    assert page.inner_text("#answer h2") == page.inner_text("#answer .first span >> nth=0") == expected["label"]


@pytest.mark.parametrize("is_dark", [False, True])
def test_the_explained_answer_is_readable_and_fits_a_phone(browser, page, is_dark):
    browser.show(width=390, is_dark=is_dark)
    given = {"name": "a" * 200 + ".jpg", "mimeType": "image/jpeg", "buffer": image_bytes(1, (900, 600))}
    page.set_input_files("#image", given)
    page.fill("#text", TEXT + "w" * 300)
    page.click("#go")
    answered(page)
    page.click("#why")
    page.wait_for_selector("#reasons .picture img")
    assert page.locator("#reasons .words span").count() == 25
    assert page.locator("#reasons .picture div div").count() == 4
    signs = page.eval_on_selector_all("#reasons [data-sign]", "all => all.map(one => one.dataset.sign + one.title[0])")
    assert signs and {sign[0] == sign[1] for sign in signs} == {True}  # not by color alone
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.evaluate(WIDER) == []
    assert page.evaluate(UNNAMED) == []
    assert browser.low_contrasts() == []


def test_a_broken_image_is_refused_in_the_words_of_the_server(browser, page, address):
    given = {"name": "broken.jpg", "mimeType": "image/jpeg", "buffer": image_bytes(1)[:200]}
    page.set_input_files("#image", given)
    page.fill("#text", TEXT)
    page.click("#go")
    page.wait_for_selector("#answer .error")
    refusal = httpx.post(f"{address}/predict", files={"image": ("broken.jpg", given["buffer"])})
    assert refusal.status_code == 422
    assert page.inner_text("#answer").split("\n\n") == [refusal.json()["error"], refusal.json()["hint"]]
    assert page.inner_text("#hint") == "broken.jpg"
    assert browser.low_contrasts() == []
    page.click("#clear")
    page.fill("#text", TEXT)
    page.click("#go")
    assert len(answered(page)) == 3


def test_the_keyboard_alone_gets_an_answer(page):
    reached = []
    for _ in range(5):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id"))
        if reached[-1] == "text":
            page.keyboard.type("good day")
    assert reached == ["text", "image", "go", "why", "clear"]
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    assert len(answered(page)) == 3
    page.focus("#text")
    page.keyboard.press("Control+A")
    page.keyboard.type("bad")
    with page.expect_response("**/predict") as response:
        page.keyboard.press("Control+Enter")
    assert response.value.status == 200
    assert response.value.request.post_data_buffer.count(b"bad") == 1
