"""The documentation as a site: it is built without a warning, has a page for each command, and fetches nothing."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli.main import COMMANDS
from tests.docs.blocks import DOCS, ROOT

FETCHED = re.compile(r"""<(?:script|img|iframe|source)[^>]*\ssrc="(?:https?:)?//|<link[^>]*\shref="(?:https?:)?//""")


def build(root: Path, to: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(root / "mkdocs.yml"), "-d", str(to)]
    environment = {"PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1", "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    to = tmp_path_factory.mktemp("site")
    done = build(ROOT, to)
    assert done.returncode == 0, done.stderr
    return to


def test_each_page_of_the_documentation_is_there(site: Path) -> None:
    pages = {path.relative_to(DOCS).with_suffix(".html").as_posix() for path in DOCS.rglob("*.md")}
    pages |= {f"reference/{name}.html" for name in COMMANDS} | {"index.html", "contributing.html", "changelog.html"}
    assert {page for page in pages if not (site / page).exists()} == set()
    linked = re.findall(r'href="([^"#:]+\.html)"', (site / "index.html").read_text(encoding="utf-8"))
    assert pages - {"index.html"} <= set(linked)  # the nav has all of them


def test_a_command_page_has_each_option_with_what_it_must_be(site: Path) -> None:
    page = (site / "reference" / "run.html").read_text(encoding="utf-8")
    for words in ("--tensor-parallel", "a whole number from 1 up", "harness run [OPTIONS]", "one of auto, merge, live"):
        assert words in page
    page = (site / "reference" / "tune.html").read_text(encoding="utf-8")
    assert '<h2 id="harness-tune-top">' in page


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    assert FETCHED.search('<link rel="preconnect" href="https://fonts.gstatic.com">')
    found = {path.name: hit[0] for path in site.rglob("*.html") if (hit := FETCHED.search(path.read_text("utf-8")))}
    assert found == {}
    styles = [
        path for path in site.rglob("*.css") if re.search(r"(url\(|@import )['\"]?https?:", path.read_text("utf-8"))
    ]
    assert styles == []


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("[x](no_page.md)", "no_page.md"),
        ("[x](tuning.md#no-anchor)", "no-anchor"),
        ("[x](../no_folder)", "no_folder"),
    ],
)
@pytest.mark.full
def test_a_broken_link_stops_the_build(tmp_path: Path, text: str, warning: str) -> None:
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "mkdocs.yml", "examples", "judges", "docs"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "docs").unlink()
    (tmp_path / "docs").mkdir()
    for path in DOCS.iterdir():
        (tmp_path / "docs" / path.name).symlink_to(path)
    hook = tmp_path / "docs" / "site_pages.py"
    hook.unlink()
    hook.write_text((DOCS / "site_pages.py").read_text(encoding="utf-8"), encoding="utf-8")
    page = tmp_path / "docs" / "glossary.md"
    page.unlink()
    page.write_text(f"# Glossary\n\n{text}\n", encoding="utf-8")
    done = build(tmp_path, tmp_path / "site")
    assert done.returncode != 0
    assert warning in done.stderr
