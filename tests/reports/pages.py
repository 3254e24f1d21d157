"""What a report has beside its result, and its page read as a browser would, as far as tests ask for."""

import re
from html.parser import HTMLParser

from mmsent_cli.reports.blocks import Examples, ReportExample
from mmsent_cli.reports.outputs import Particulars

VOID = {"meta", "img", "br", "hr", "link", "input"}

CONFIG = {"fit": {"epochs": 5, "patience": None}, "data": {"labels": ["a", "<b>"]}}
ENVIRONMENT = {"python": "3.11.2", "packages": {"torch": "2.9.1"}}
COMMAND = "mmsent compare-fusions --data 'a & b'"
EXAMPLE = ReportExample(
    guid="7",
    text="“今天” すばらしい <script>x</script>",
    thumbnail_jpeg=b"JPG",
    true="neutral",
    predicted="positive",
    probability=0.5,
    remark="clip: <i>negative</i>",
)
PICKED = "Picked & shown"
EXAMPLES = Examples(groups=(("The arms <disagree>", (EXAMPLE,)), ("An empty group", ())), picked=PICKED)


def particulars(**changes):
    """What a report has beside its result."""
    values = {
        "config": CONFIG,
        "environment": ENVIRONMENT,
        "examples": EXAMPLES,
        "command": COMMAND,
        "seconds": lambda: 75.0,
    }
    return Particulars(**(values | changes))


class Page(HTMLParser):
    """Collects text, table rows, images and any address; notes tags that do not close in order."""

    def __init__(self, html):
        super().__init__()
        self.open, self.rows, self.images, self.addresses, self.badly_closed = [], [], [], [], []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")
        values = dict(attrs)
        self.images += [values] if tag == "img" else []
        self.addresses += [values[name] for name in ("src", "href", "action") if name in values]

    def handle_endtag(self, tag):
        if self.open.pop() != tag:
            self.badly_closed.append(tag)

    def handle_data(self, data):
        if "style" in self.open:
            return
        self.text += data
        if self.rows and {"th", "td"} & set(self.open):
            self.rows[-1][-1] += data

    @property
    def words(self):
        """All text with single spaces."""
        return re.sub(r"\s+", " ", self.text)
