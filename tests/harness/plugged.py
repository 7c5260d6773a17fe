"""Packages of other people, as an installation leaves them: modules and a dist-info folder beside them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

TASK = """
from harness.types import Choice, Item, Prompt, Sample, Score
CITIES = {"France": "Paris", "Peru": "Lima", "Egypt": "Cairo"}

class Capitals:
    name, version, metric, shots, slow_scoring = "capitals", "1", "acc", 0, False
    data_source, data_digest, settings = "its own", "d" * 64, {}

    def __init__(self, protocol):
        self.protocol, self.warnings = protocol, ("only three countries",)

    @classmethod
    def load(cls, data, protocol, shots, chat):
        return cls(protocol)

    def items(self):
        return [Item(country, "europe" if country == "France" else "rest", {}) for country in CITIES]

    def requests(self, item):
        return [Choice(Prompt("", f"The capital of {item.id} is"), tuple(f" {city}" for city in CITIES.values()))]

    def score(self, item, responses):
        right = list(CITIES).index(item.id)
        return Sample(item, {"acc": float(max(responses[0].logprobs) == responses[0].logprobs[right])})

    def summarize(self, samples):
        mean = sum(sample.metrics["acc"] for sample in samples) / len(samples)
        return [Score("all", "acc", mean, 0.0, 1.0, len(samples), "none")]
"""
BACKEND = """
from harness.types import BackendInfo, Response

class Same:
    info, warnings = BackendInfo("same", "none", "float32", 4096), ("all is the same to it",)

    def answer(self, requests, done=()):
        for n, request in enumerate(requests):
            if n not in done:
                yield [(n, Response(logprobs=(-1.0,) * len(request.options), greedy=(True,) * len(request.options)))]

    def close(self):
        pass

def make(*_):
    return Same(), ["made by a plug-in"]
"""
OPTIMIZER = """
from tuning.optimizers.fixed_list import FixedList

class Corner(FixedList):
    name, max_objectives, takes_constraints = "corner", 1, False
"""
JUDGE = """
from judges.types import Verdict

class Longest:
    name, version, config = "longest", "1", {"unit": "characters"}

    def compare(self, pair):
        first, second = len(pair.first[-1]), len(pair.second[-1])
        if not first and not second:
            return None
        return Verdict("tie" if first == second else "first" if first > second else "second", f"{first} and {second}")
"""
GRADER = """
from harness.types import Grade

class Always:
    name, identity, digests, notes = "always", {"grader": "always"}, (), ("it always gives the best grade",)

    def __init__(self, settings, where):
        pass

    def grade(self, requests, db):
        yield [(n, Grade(request.scale[-1])) for n, request in enumerate(requests)]
"""
OBJECTIVE = """
from harness.errors import UsageError

class Steps:
    def __init__(self, word):
        self.word = word
        if word != "steps":
            raise UsageError(f"steps has no {word}")

    def measure(self, measured, where):
        return float(measured.trained.steps)
"""
PAGE = """
from leaderboard.pages import Page

def _render():
    import streamlit as st
    st.write("a page of a plug-in")

PAGE = Page("Hello", _render)
"""
COMMAND = '''
def hello(word: str = "you") -> None:
    """Greet somebody."""
    print("hello", word)
'''
FUNCTION = """
def greet(word: str = "you") -> str:
    return f"hello {word}"
"""
SCHEMA = """
class Schema:
    steps, take, orphans = {}, None, {}
"""
VIEW = """
def show_flower(word, db, json):
    if word != "rose":
        return False
    print('{"flower": "rose"}' if json else "a rose is shown")
    return True
"""
EXPORTER = """
def pressed(word, out, db, texts):
    if word != "rose":
        return None
    out.mkdir()
    (out / "rose.txt").write_text("a rose")
    return [out / "rose.txt"]
"""
TRACKED = """
from datetime import UTC, datetime
from harness.exchange.tracked import Metric, Tracked

def seeds(db, word):
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    rose = Tracked("seed:1", "a rose", "finished", moment, moment, {"colour": "red"}, [Metric("petals", 5.0)])
    return [rose] if word in (None, "rose") else []
"""
MODULES = {
    "task": TASK,
    "backend": BACKEND,
    "optimizer": OPTIMIZER,
    "judge": JUDGE,
    "grader": GRADER,
    "objective": OBJECTIVE,
    "page": PAGE,
    "command": COMMAND,
    "function": FUNCTION,
    "schema": SCHEMA,
    "view": VIEW,
    "tracked": TRACKED,
    "export": EXPORTER,
}
PARTS = {  # one of each kind
    "tasks": {"capitals": "plugged_task:Capitals.load"},
    "backends": {"same": "plugged_backend:make"},
    "optimizers": {"corner": "plugged_optimizer:Corner"},
    "judges": {"longest": "plugged_judge:Longest"},
    "graders": {"always": "plugged_grader:Always"},
    "objectives": {"steps": "plugged_objective:Steps"},
    "pages": {"hello": "plugged_page:PAGE"},
    "commands": {"hello": "plugged_command:hello"},
    "api": {"greet": "plugged_function:greet"},
    "schemas": {"greetings": "plugged_schema:Schema"},  # known, and not taken: the store's versions are one sequence
    "show": {"flower": "plugged_view:show_flower"},
    "export": {"herbarium": "plugged_export:pressed"},
    "tracked": {"seeds": "plugged_tracked:seeds"},
}


def forget() -> None:
    """What is installed is looked for again, in this process."""
    from harness import registry

    registry._entries.cache_clear()
    registry._parts.cache_clear()


def install(folder: Path, package: str, parts: Mapping[str, Mapping[str, str]]) -> Path:
    """The dist-info folder of a package with these parts: by kind, name and object."""
    lines = []
    for kind, objects in parts.items():
        lines.append(f"[harness.{kind}]")
        lines += [f"{name} = {value}" for name, value in objects.items()]
    info = folder / f"{package.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return info


def install_one_of_each(folder: Path) -> None:
    """The package lora-plugin, which is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in MODULES.items():
        (folder / f"plugged_{name}.py").write_text(text)
    install(folder, "lora-plugin", PARTS)
