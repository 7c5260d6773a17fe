"""Where there is nothing to show: what it would be, and what to type."""

from __future__ import annotations

from collections.abc import Sequence

from leaderboard.html.templates import macros


def state(title: str, words: str, commands: Sequence[str] = ()) -> None:
    """An empty page's words; commands stand in a box that can be copied from."""
    import streamlit as st

    with st.container(key="empty"):
        st.html(macros("shared").empty(title, words))
        if commands:
            st.code("\n".join(commands), language=None)


def no_runs(db: str) -> None:
    state(
        "No scores yet",
        "A run measures a checkpoint on benchmarks. This one takes a minute and downloads nothing:",
        [f"harness run --model tiny --data sample --db {_quoted(db)}"],
    )


def no_studies(db: str) -> None:
    state(
        "No studies yet",
        "A study searches for the LoRA hyperparameters of a base on your rows:",
        [f"harness tune --model path/to/base --data path/to/rows --db {_quoted(db)}"],
    )


def no_comparisons(db: str) -> None:
    state(
        "No comparisons yet",
        "Preference rests on answers to open prompts that judges or people have compared:",
        [
            f"harness answer --model path/to/model --db {_quoted(db)}",
            f"harness judge --db {_quoted(db)}",
            f"harness rate --db {_quoted(db)}",
        ],
    )


def no_plan(db: str) -> None:
    state(
        "Nothing to rate yet",
        "People compare the answers of models, two at a time and blind. This begins a plan for it:",
        [f"harness answer --model path/to/model --db {_quoted(db)}", f"harness rate --models A B --db {_quoted(db)}"],
    )


def _quoted(path: str) -> str:
    import shlex

    return shlex.quote(path)
