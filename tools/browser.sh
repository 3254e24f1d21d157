#!/bin/sh
# A browser for the tests that open pages: an installed Chromium or Chrome, else Playwright's, else Debian's.
# Without any of them, those tests are skipped; they say so, and so does the last line here.
for name in chromium chromium-browser google-chrome google-chrome-stable chrome-headless-shell; do
    command -v "$name" > /dev/null && exit 0
done
"$1" -m playwright install --only-shell chromium > /dev/null 2>&1 && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    echo "Installing chromium for the tests of pages ..."
    apt-get update -qq > /dev/null 2>&1
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium > /dev/null 2>&1 && exit 0
fi
echo "No browser: Playwright cannot download one here; the tests that open pages are skipped. Install chromium to run them." >&2
