"""Look at every page of the built site as a reader's browser does: `python docs/check_pages.py`.

Broken links and anchors, missing pictures, pictures without alternative text, and anything that is
fetched from elsewhere are found by reading the pages. Errors in the console and pages that scroll
sideways on a narrow screen are found by a browser, where playwright and chromium are installed.
"""

import argparse
import shutil
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

SITE = Path(__file__).parent / "_build" / "html"
FETCHED = {
    ("script", "src"),
    ("img", "src"),
    ("link", "href"),
    ("iframe", "src"),
    ("source", "src"),
}


class Page(HTMLParser):
    """What a page has (anchors), and what it asks for."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.anchors: set[str] = set()
        self.wanted: list[tuple[str, str]] = []  # (tag, address)
        self.faults: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.anchors.update(name for key in ("id", "name") if (name := given.get(key)))
        if tag == "img" and "alt" not in given:  # empty where the text beside it says the same
            self.faults.append(f"a picture without alternative text: {given.get('src', '')[:80]}")
        for key in ("href", "src"):
            address = given.get(key)
            if address and (tag == "a" or (tag, key) in FETCHED):
                self.wanted.append((tag, address))


def faults_of(page: Page, pages: dict[Path, Page]) -> Iterator[str]:
    yield from page.faults
    for tag, address in page.wanted:
        parts = urlsplit(address)
        if parts.scheme in ("http", "https") or parts.netloc:
            if tag != "a":
                yield f"<{tag}> fetches {address}"
        elif not parts.scheme:
            target = page.path.parent / unquote(parts.path) if parts.path else page.path
            target = target.resolve()
            if not target.exists():
                yield f"<{tag}> leads to {address}, which is not there"
            elif parts.fragment and target in pages and parts.fragment not in pages[target].anchors:
                yield f"<{tag}> leads to {address}: the page has no such anchor"


def faults_in_browser(paths: list[Path], browser_path: str) -> Iterator[tuple[Path, str]]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme="dark")
        said: list[str] = []
        tab.on("console", lambda each: said.append(each.text) if each.type == "error" else None)
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on(
            "request",
            lambda each: (
                said.append(f"fetches {each.url}") if each.url.startswith("http") else None
            ),
        )
        for path in paths:
            said.clear()
            tab.goto(path.as_uri())
            wide = tab.evaluate("document.documentElement.scrollWidth")
            if wide > 390:
                said.append(f"scrolls sideways at 390 pixels: {wide} wide")
            yield from [(path, fault) for fault in said]
        browser.close()


def main() -> int:
    parser = argparse.ArgumentParser(description="Check every page of the built site.")
    parser.add_argument("site", nargs="?", type=Path, default=SITE)
    parser.add_argument("--browser", help="chromium's path; found on PATH by default")
    arguments = parser.parse_args()
    site = arguments.site.resolve()
    paths = sorted(path for path in site.rglob("*.html") if path.parent != site / "_static")
    if not paths:
        parser.error(f"no pages in {arguments.site}: run `make docs` first")
    pages = {path: Page(path) for path in paths}
    found = [(path, fault) for path in paths for fault in faults_of(pages[path], pages)]
    browser = arguments.browser or shutil.which("chromium") or shutil.which("google-chrome")
    try:
        if browser:
            found += faults_in_browser(paths, browser)
    except ImportError:
        browser = None
    for path, fault in found:
        print(f"{path.relative_to(site)}: {fault}")
    how = "read, and opened in a browser" if browser else "read; no browser and playwright here"
    print(f"{len(paths)} pages {how}: {len(found)} faults")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
