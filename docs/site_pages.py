"""What mkdocs (`make docs`) cannot read from docs/ by itself: a hook of mkdocs.yml.

The README, CONTRIBUTING.md and CHANGELOG.md become pages, and so does each command: its options are read from the
command itself, which is made of the declared options (`harness.options`), so the reference cannot be out of date. A
page of docs/ that the nav does not name comes last under "In depth". A link to what is no page (a folder of the
repository) is its text, and a warning where there is no such file; `mkdocs build --strict` ends with any warning.
"""

from __future__ import annotations

import logging
import posixpath
import re
from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

    from harness.options import Declaration

ROOT = Path(__file__).resolve().parent.parent
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
FOLDER = "reference"
LINK = re.compile(r"(?<!\\)\[((?:[^\[\]]|\[[^\[\]]*\]\([^)]*\))*)\]\(([^)\s]+)\)")
FENCE = re.compile(r"^(```.*?^```$)", re.MULTILINE | re.DOTALL)
log = logging.getLogger("mkdocs.hooks.site_pages")


# ---------------------------------------------------------------- mkdocs calls these


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The nav with the reference, and with what it does not name."""
    nav: list[Any] = list(config.nav or ())
    named = set(_paths(nav))
    docs = Path(config.docs_dir)
    rest = [path for file in sorted(docs.rglob("*.md")) if (path := file.relative_to(docs).as_posix()) not in named]
    sections = {next(iter(entry)): entry for entry in nav if isinstance(entry, dict)}
    sections["In depth"]["In depth"] += rest
    sections["Reference"]["Reference"] = [f"{FOLDER}/index.md", *(f"{FOLDER}/{name}.md" for name in commands())]
    config.nav = [*nav, {"Contributing": PAGES["CONTRIBUTING.md"]}, {"Changes": PAGES["CHANGELOG.md"]}]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    from mkdocs.structure.files import File

    made = {page: _of_root(name) for name, page in PAGES.items()}
    made[f"{FOLDER}/index.md"] = reference_index()
    made |= {f"{FOLDER}/{name}.md": command_page(name) for name in commands()}
    for path, text in made.items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links to what the repository has and the site has not become their text."""
    here = posixpath.dirname(page.file.src_uri)

    def checked(match: re.Match[str]) -> str:
        text, target = match[1], match[2]
        path = target.partition("#")[0]
        if not path or ":" in path:
            return match[0]
        place = posixpath.normpath(posixpath.join("docs", here, path))
        if place.startswith("docs/"):
            return match[0]  # mkdocs checks it
        if place in PAGES:
            return f"[{text}]({posixpath.relpath(PAGES[place], here or '.')})"
        if not (ROOT / place).exists():
            log.warning("%s links to %s, which is not there.", page.file.src_uri, target)
        return text

    return _outside_code(markdown, lambda part: LINK.sub(checked, part))


# ---------------------------------------------------------------- pages


def _paths(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    elif isinstance(nav, dict):
        for part in nav.values():
            yield from _paths(part)
    elif isinstance(nav, list):
        for part in nav:
            yield from _paths(part)


def _of_root(name: str) -> str:
    """A Markdown file of the repository's root as a page: its links are of docs/ now."""

    def moved(match: re.Match[str]) -> str:
        target = match[2]
        if "://" in target or target.startswith("#"):
            return match[0]
        text = LINK.sub(moved, match[1])  # a picture that is a link
        return f"[{text}]({posixpath.relpath(target.partition('#')[0], 'docs')}{''.join(target.partition('#')[1:])})"

    return _outside_code((ROOT / name).read_text(encoding="utf-8"), lambda part: LINK.sub(moved, part))


def _outside_code(markdown: str, change: Any) -> str:
    parts = FENCE.split(markdown)
    return "".join(part if number % 2 else change(part) for number, part in enumerate(parts))


def commands() -> list[str]:
    """Of the product, in the order of `harness --help`."""
    from harness.cli.main import COMMANDS

    return list(COMMANDS)


def reference_index() -> str:
    from harness.cli.main import COMMANDS

    lines = [
        "# Commands",
        "",
        "Made from the program's own declarations when this site is built. Each command has `--help`, which says the "
        "same. An option's name in a study file or in Python is that of its flag, without the dashes in front.",
        "",
    ]
    lines += [f"- [`harness {name}`]({name}.md): {_text(help)}" for name, help in COMMANDS.items()]
    return "\n".join([*lines, ""])


def command_page(name: str) -> str:
    """A command with its subcommands, arguments and options, as Markdown."""
    from harness.cli.main import command

    whole = command(name)
    lines = [f"# harness {name}", "", *_described(f"harness {name}", whole)]
    for word, part in getattr(whole, "commands", {}).items():
        lines += [f"## harness {name} {word}", "", *_described(f"harness {name} {word}", part)]
    return "\n".join(lines)


def _described(words: str, command: Any) -> list[str]:
    from harness.cli.declared import options_of
    from harness.options.declaration import allowed

    callback = getattr(command.callback, "__wrapped__", command.callback)
    model = options_of(callback)
    shown = [each for each in command.params if not each.hidden and each.name not in ("install_completion", "help")]
    shown = [each for each in shown if each.name != "show_completion"]
    arguments = [each for each in shown if each.param_type_name == "argument"]
    options = [each for each in shown if each.param_type_name == "option"]
    usage = [words, *(["[OPTIONS]"] if options else []), *(_argument(each) for each in arguments)]
    usage += ["COMMAND"] if getattr(command, "commands", None) else []
    lines = [_text(" ".join((command.help or "").split())), "", f"    {' '.join(usage)}", ""]
    if arguments:
        rows = [(f"`{_argument(each)}`", _text(each.help or "")) for each in arguments]
        lines += _table(("argument", "what it is"), rows)
    panels: dict[str, list[Any]] = {}
    for each in options:
        panels.setdefault(each.rich_help_panel or "", []).append(each)
    for panel, own in panels.items():
        lines += [f"**{panel}**", ""] if panel else []
        listed: list[tuple[str, ...]] = []
        for each in own:
            field = model.model_fields.get(each.name) if model else None
            must = "" if each.is_flag else allowed(field) if field is not None else _type(each)
            flags = ", ".join(f"`{flag}`" for flag in [*each.opts, *each.secondary_opts])
            words = (each.help or "").removesuffix(" (required)")
            listed.append((flags, _text(words), _text(must), _default(each, model)))
        lines += _table(("option", "what it is", "must be", "default"), listed)
    return lines


def _argument(parameter: Any) -> str:
    word = parameter.metavar or parameter.name.upper()
    word = f"{word}…" if parameter.nargs == -1 else word
    return word if parameter.required else f"[{word}]"


def _type(option: Any) -> str:
    kind = option.type_descriptor.annotation
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "one of " + ", ".join(str(member.value) for member in kind)
    limits = [f"at least {option.min}"] * (option.min is not None) + [f"at most {option.max}"] * (
        option.max is not None
    )
    words = "a whole number" if kind is int else "a number" if kind is float else ""
    return " ".join(filter(None, [words, " and ".join(limits)]))


def _default(option: Any, model: type[Declaration] | None) -> str:
    value = option.default
    field = model.model_fields.get(option.name) if model else None
    if field is not None and field.is_required():
        return "required"
    if option.required:
        return "required"
    if option.is_flag:
        return "" if not option.secondary_opts else f"`{option.opts[0] if value else option.secondary_opts[0]}`"
    return "" if value is None or value == [] or callable(value) else f"`{getattr(value, 'value', value)}`"


def _text(words: str) -> str:
    """Help as Markdown: what stands outside of backticks is text."""
    parts = words.split("`")
    for number in range(0, len(parts), 2):
        parts[number] = re.sub(r"([\\*_<>\[\]|])", r"\\\1", parts[number])
    return "`".join(part.replace("|", "\\|") if number % 2 else part for number, part in enumerate(parts))


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Without the columns that are empty."""
    kept = [n for n in range(len(heads)) if any(row[n] for row in rows)]
    lines = [[heads[n] for n in kept], ["---"] * len(kept), *([row[n] for n in kept] for row in rows)]
    return [*(f"| {' | '.join(line)} |" for line in lines), ""]
