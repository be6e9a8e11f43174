"""Pages lead somewhere, and every page can be found."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *sorted(ROOT.glob("docs/**/*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.skipif(not PAGES, reason="the wheel has no pages")


def _anchors(page):
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def _links(page):
    for target in LINK.findall(FENCE.sub("", page.read_text())):
        if not re.match(r"[a-z]+:", target):
            yield target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_something(page):
    broken = []
    for target in _links(page):
        path, _, anchor = target.partition("#")
        place = (page.parent / path).resolve() if path else page
        if not place.exists() or (anchor and anchor not in _anchors(place)):
            broken.append(target)
    assert broken == []


def test_a_page_that_the_code_names_is_there():
    sources = [path.read_text() for package in ("collector", "exporters") for path in ROOT.glob(f"{package}/**/*.py")]
    named = {name for text in sources for name in re.findall(r"\bdocs/[a-z_/-]+\.md", text)}
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_the_index_has_every_page():
    index = ROOT / "docs/README.md"
    linked = {(index.parent / target).resolve() for target in _links(index)}
    assert [
        str(page) for page in PAGES if page != index and page.resolve() not in linked and "docs" in page.parts
    ] == []
