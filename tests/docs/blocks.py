"""The code blocks of the documentation's Markdown, and the commands that stand in them.

A block of commands is fenced as ```sh. A line `<!-- not run: REASON -->` before it says why the tests cannot run it. A
fence with `title="NAME"` is a file that the page has the reader save."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
NOT_RUN = re.compile(r"<!-- not run: (.+?) -->")
TITLE = re.compile(r'title="([\w.-]+)"')
ENDS = ";&|"  # of a command
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")


@dataclass(frozen=True, slots=True)
class Block:
    page: str  # its path in the repository
    line: int  # of the fence, from 1
    language: str
    text: str
    title: str = ""
    not_run: str = ""  # the reason


def pages() -> list[Path]:
    """The README first, then all of docs/."""
    return [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


def guides() -> list[Path]:
    """The pages whose blocks run: the README, docs/guides and docs/scale.md."""
    return [ROOT / "README.md", *sorted((DOCS / "guides").glob("*.md")), DOCS / "scale.md"]


def blocks(page: Path) -> list[Block]:
    found, reason = [], ""
    for token in MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8")):
        if token.type == "fence":
            language, _, rest = token.info.partition(" ")
            title = TITLE.search(rest)
            line = token.map[0] + 1 if token.map else 0
            name = str(page.relative_to(ROOT)) if page.is_relative_to(ROOT) else page.name
            found.append(Block(name, line, language, token.content, title[1] if title else "", reason))
        match = NOT_RUN.search(token.content) if token.type == "html_block" else None
        reason = match[1] if match else ""
    return found


def commands(text: str) -> Iterator[list[str]]:
    """The simple commands of a shell text, a list of words each: without assignments before and redirections after, and
    with those that stand whole in a quoted word (`sbatch --wrap 'harness …'`). ValueError for a quote without end."""
    for line in text.replace("\\\n", " ").splitlines():
        words: list[str] = []
        for token in [*_tokens(line), ";"]:
            if set(token) <= set(ENDS):
                words = _without_assignments(words)
                if words:
                    yield words
                yield from (inside for word in words[1:] if word.startswith("harness ") for inside in commands(word))
                words = []
            else:
                words.append(token)


def _tokens(line: str) -> list[str]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|<>")
    lexer.whitespace_split = True
    tokens = list(lexer)
    kept: list[str] = []
    for token in tokens:
        if kept and set(kept[-1]) <= set("<>"):  # the file of a redirection
            kept[-1] = ""
        else:
            kept.append(token)
    return [token for token in kept if token]


def _without_assignments(words: list[str]) -> list[str]:
    while words and ASSIGNMENT.match(words[0]):
        words = words[1:]
    return words
