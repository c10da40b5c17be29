"""Every page of the documentation can be reached from the README, and every link leads somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "contrib").rglob("README.md")),
]


def links(page):
    """Return (file, anchor) of each link to a file."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    found = re.findall(r"\]\(([^)\s]+)\)", text)
    targets = [link.partition("#") for link in found if "://" not in link]
    return [(page.parent / path if path else page, anchor) for path, _, anchor in targets]


def anchors(page):
    """Return the anchors that headings make."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target, anchor in links(page):
        assert target.exists(), target
        assert not anchor or anchor in anchors(target), anchor


def test_every_page_is_reached_from_the_readme():
    seen, ahead = set(), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop().resolve()
        page = page / "README.md" if page.is_dir() else page
        if page.suffix == ".md" and page not in seen:
            seen.add(page)
            ahead += [target for target, _ in links(page)]
    assert {page.resolve() for page in PAGES} - seen <= {ROOT / "CHANGELOG.md"}
