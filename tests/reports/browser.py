"""A headless Chromium, driven through its pipe: opens a page, evaluates JavaScript in it, and prints it."""

import base64
import json
import os
import re
import shutil
import subprocess

CONTRASTS = """
(() => {
  const parsed = text => text.match(/[\\d.]+/g).map(Number);
  const linear = part => part <= 10.31 ? part / 3294.6 : ((part / 255 + 0.055) / 1.055) ** 2.4;
  const luminance = rgb => 0.2126 * linear(rgb[0]) + 0.7152 * linear(rgb[1]) + 0.0722 * linear(rgb[2]);
  const background = element => {
    for (let at = element; at; at = at.parentElement) {
      const color = parsed(getComputedStyle(at).backgroundColor);
      if (color.length < 4 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const parent = walker.currentNode.parentElement, text = walker.currentNode.textContent.trim();
    if (!text || ["STYLE", "SCRIPT"].includes(parent.tagName)) continue;
    const [darker, lighter] = [luminance(parsed(getComputedStyle(parent).color)), luminance(background(parent))]
      .sort((a, b) => a - b);
    found.push([(lighter + 0.05) / (darker + 0.05), text]);
  }
  return found;
})()
"""
"""Each text of a page, with the contrast to the nearest background behind it."""
WIDER = """
[...document.querySelectorAll("body *")]
  .filter(one => one.getBoundingClientRect().right > innerWidth + 1 && !one.closest(".scroll, pre"))
  .map(one => one.outerHTML.slice(0, 90))
"""
"""Elements that reach over the right edge, without those that scroll by themselves."""


def is_there():
    """Whether the browser and the tool that counts printed pages are installed."""
    return all(shutil.which(name) for name in ("chromium", "pdfinfo", "bash"))


class Browser:
    """One browser with one page; `folder` is for its own files."""

    def __init__(self, folder):
        self.folder = folder
        to_read, self._writer = os.pipe()
        self._reader, to_write = os.pipe()
        options = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe")
        command = ("chromium", *options, f"--user-data-dir={folder / 'profile'}")
        self._process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{to_read} 4>&{to_write}', "browser", *command],
            pass_fds=(to_read, to_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        self._session, self._number, self._rest = None, 0, b""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Page.enable")

    def close(self):
        self._process.kill()
        self._process.wait()
        os.close(self._writer)
        os.close(self._reader)

    def call(self, method, **parameters):
        """One call of the DevTools protocol."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        message |= {"sessionId": self._session} if self._session else {}
        os.write(self._writer, json.dumps(message).encode() + b"\0")
        answer = self._wait(lambda one: one.get("id") == self._number)
        assert "error" not in answer, answer
        return answer["result"]

    def open(self, html, width=1280, is_dark=False):
        """Load a page into a window of that width."""
        path = self.folder / "page.html"
        path.write_text(html, encoding="utf-8")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=844, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url=path.as_uri())
        self._wait(lambda one: one.get("method") == "Page.loadEventFired")

    def evaluate(self, code):
        return self.call("Runtime.evaluate", expression=code, returnByValue=True)["result"]["value"]

    def printed_pages(self):
        """The number of A4 pages that the page takes in print."""
        printed = self.call("Page.printToPDF", paperWidth=8.27, paperHeight=11.69)["data"]
        (self.folder / "page.pdf").write_bytes(base64.b64decode(printed))
        told = subprocess.run(["pdfinfo", str(self.folder / "page.pdf")], check=True, capture_output=True, text=True)
        return int(re.search(r"Pages:\s+(\d+)", told.stdout)[1])

    def _wait(self, is_wanted):
        while True:
            while b"\0" not in self._rest:
                part = os.read(self._reader, 1 << 16)
                assert part, "the browser has ended"
                self._rest += part
            line, self._rest = self._rest.split(b"\0", 1)
            if is_wanted(message := json.loads(line)):
                return message
