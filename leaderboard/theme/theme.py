"""How every page looks: colours, type, spacing; light and dark. Nothing is fetched from elsewhere.

The colours are of Okabe and Ito's palette, which people with any kind of colour blindness tell apart (2008), moved to
a contrast of 4.5 or more on their background where they carry text."""

from __future__ import annotations

from pathlib import Path

from leaderboard.html.templates import macros

SANS = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif'
MONO = 'ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace'

_SHARED: dict[str, str | int] = {
    "font": SANS,
    "headingFont": SANS,
    "codeFont": MONO,
    "baseRadius": "0.5rem",
    "baseFontSize": 16,
}
_LIGHT = {
    "primaryColor": "#0069a3",
    "backgroundColor": "#ffffff",
    "secondaryBackgroundColor": "#f4f6f8",
    "textColor": "#17202a",
    "borderColor": "#d5dbe1",
}
# text in a colour of its own; contrast of 4.5 or more on both backgrounds of its theme
_LIGHT_TEXT = {"linkColor": "#0069a3", "warnColor": "#8a5a00", "goodColor": "#006b50", "badColor": "#b03a00"}
_DARK = {
    "primaryColor": "#2779ae",
    "backgroundColor": "#12171d",
    "secondaryBackgroundColor": "#1b222b",
    "textColor": "#e8ecf0",
    "borderColor": "#38424e",
}
_DARK_TEXT = {"linkColor": "#6fb9ea", "warnColor": "#e6b04a", "goodColor": "#3fbf97", "badColor": "#f08a4b"}


def options() -> dict[str, str | int]:
    """The theme as options of the server."""
    named = {f"theme.{name}": value for name, value in _SHARED.items()}
    named |= {f"theme.light.{name}": value for name, value in _LIGHT.items()}
    named |= {f"theme.dark.{name}": value for name, value in _DARK.items()}
    return named


def begin() -> None:
    """What each page starts with."""
    import streamlit as st

    st.html(macros("theme").style(css(".stApp")))


def css(root: str) -> str:
    """All rules, the theme's colours as variables of the element `root`."""
    light, dark = _LIGHT | _LIGHT_TEXT, _DARK | _DARK_TEXT
    colours = "".join(f"--{_dashed(name)}: light-dark({light[name]}, {dark[name]}); " for name in light)
    rules = Path(__file__).with_name("theme.css").read_text(encoding="utf-8")
    return f"{root} {{ {colours}}}\n{rules}"


def _dashed(name: str) -> str:
    """ "textColor" as "text-color"."""
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name)
