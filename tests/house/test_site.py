"""The documentation makes a site without a warning, whose pages fetch nothing from elsewhere."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.house.tracked import ROOT, tracked

BUILD = ROOT / "contrib" / "site" / "build.py"
FOREIGN = re.compile(r"\s*(?:[a-z]+:)?//", re.IGNORECASE)
# a link that somebody follows is no request; these are made by whoever looks at a page
FETCHED = {"src", "srcset", "poster", "data", "action", "background"}


class Requests(HTMLParser):
    """Collects what a page has fetched from another host."""

    def __init__(self) -> None:
        super().__init__()
        self.foreign: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "href" and tag == "a":
                self.links.append(value or "")
            elif name in FETCHED or (name == "href" and tag == "link"):
                self.foreign += [value] if value and FOREIGN.match(value) else []


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "made"
    ran = subprocess.run([sys.executable, BUILD, folder], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    return folder


def test_no_page_fetches_anything_from_elsewhere(site: Path) -> None:
    found = {}
    for path in site.rglob("*.html"):
        page = Requests()
        page.feed(path.read_text())
        found[path.name] = page.foreign
    assert {name: foreign for name, foreign in found.items() if foreign} == {}
    assert "json.html" in found
    sheets = [
        path
        for path in site.rglob("*.css")
        if re.search(r"(?:url\(|@import)\s*['\"]?(?:\w+:)?//", path.read_text())
    ]
    assert sheets == []


def test_every_page_is_in_the_site_and_in_its_navigation_by_purpose(site: Path) -> None:
    pages = [
        path.relative_to(ROOT / "docs").with_suffix(".html")
        for path in tracked()
        if ROOT / "docs" in path.parents and path.suffix == ".md"
    ]
    text = (site / "index.html").read_text()
    page = Requests()
    page.feed(text)
    assert {str(path) for path in pages} <= {*page.links, "index.html"}
    captions = re.findall(r'class="caption-text">([^<]+)<', text)
    assert captions[:5] == ["Learn", "Do", "Look up", "Understand", "Take part"]


def test_words_are_found_without_a_server(site: Path) -> None:
    assert "searchindex.js" in (site / "search.html").read_text()
    index = (site / "searchindex.js").read_text()
    assert index.startswith("Search.setIndex(")
    assert '"uidvalid' in index or "uidvalid:" in index


def test_a_link_that_leads_nowhere_fails_it(tmp_path: Path) -> None:
    wrong = ["gone.md", "page.md#no-such-heading", "#no-such-heading"]
    links = " ".join(f"[there]({link})" for link in (*wrong, "page.md#a-heading"))
    source = tmp_path / "source"
    source.mkdir()
    (source / "page.md").write_text("# Page\n\n## A heading\n")
    (source / "index.md").write_text(f"# First\n\n{links}\n\n```{{toctree}}\npage\n```\n")
    program = (
        f"import sys; sys.path.insert(0, {str(BUILD.parent)!r}); import build; from pathlib import Path; "
        f"sys.exit(not build.make(Path({str(source)!r}), Path({str(tmp_path / 'out')!r})))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stderr.count("WARNING") == len(wrong), ran.stderr
    assert not (tmp_path / "out").exists()
