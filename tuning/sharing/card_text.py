"""A card as the hub reads it: README.md with its metadata, and `.eval_results/*.yaml`.

Formats: hub-docs, `modelcard.md` (model-index) and `eval_results.yaml`, through huggingface_hub's own classes. Whatever
a model or a file is called is text, in YAML and in Markdown.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.instruction_rows import hub_sources, sources
from tuning.report.files import as_markdown
from tuning.sharing.card import Asked, Card, Training

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, EvalResultEntry

    from tuning.sharing.figures import Figure

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
EVAL_RESULTS = ".eval_results/lora-harness.yaml"
METRICS = {"acc": "accuracy", "em": "exact_match"}  # the hub's names for ours


def files(card: Card) -> dict[str, bytes]:
    """Each file's bytes, by its name in the card's folder."""
    import yaml
    from huggingface_hub import eval_result_entries_to_yaml

    entries = _entries(card)
    made = {"README.md": f"---\n{_metadata(card)}\n---\n{_body(card)}"}
    if entries:
        made[EVAL_RESULTS] = yaml.safe_dump(eval_result_entries_to_yaml(entries), sort_keys=False, allow_unicode=True)
    # half a surrogate pair, which a name may hold and UTF-8 cannot, becomes its escape
    return {name: text.encode("utf-8", "backslashreplace") for name, text in made.items()}


# ---- metadata ----


def _metadata(card: Card) -> str:
    from huggingface_hub import ModelCardData

    made = ModelCardData(
        base_model=card.base if _is_hub_id(card.base) else None,
        library_name="peft" if card.base_digest else "transformers",
        tags=["lora", "peft", "lora-harness"] if card.base_digest else ["lora-harness"],
        datasets=_datasets(card.training) or None,
        model_name=card.name,
        eval_results=[result for figure in _own(card) if (result := _result(card, figure))],
    )
    text: str = made.to_yaml()
    return text


def _own(card: Card) -> list[Figure]:
    own = {(one.name, one.own) for one in card.measured}
    return [figure for figure in card.figures if (figure.name, figure.configuration) in own]


def _result(card: Card, figure: Figure) -> EvalResult:
    from huggingface_hub import EvalResult

    asked = _asked(card, figure.name)
    identifier, config, revision = _data_set(asked)
    finite = math.isfinite(figure.low) and math.isfinite(figure.high)
    return EvalResult(
        task_type="text-generation",
        dataset_type=identifier or asked.task,
        dataset_name=figure.name if identifier else f"{figure.name} ({_source(asked)})",
        dataset_config=config,
        dataset_split="test",
        dataset_revision=revision,
        dataset_args={"num_few_shot": asked.shots},
        metric_type=METRICS.get(figure.metric.partition(",")[0], figure.metric),
        metric_name=f"{figure.metric} of {figure.name}",
        metric_value=figure.value,
        metric_args={
            "interval": [figure.low, figure.high] if finite else None,
            "confidence": 0.95 if finite else None,
            "method": figure.method,
            "items": figure.n,
            "trainings": figure.seeds,
            "protocol": asked.protocol,
            "version": asked.version,
            "chat_template": asked.chat,
            "partial": asked.partial,
            "rows_sha256": asked.digest,
        },
    )


def _entries(card: Card) -> list[EvalResultEntry]:
    """Of whole benchmarks on rows of the hub: others' scores are not to be ranked with these."""
    from huggingface_hub import EvalResultEntry

    made = []
    headlines = {(one.name, one.own): one for one in reversed(card.measured) if not one.left_out}
    for (name, title), one in reversed(headlines.items()):
        asked = _asked(card, name)
        identifier, _, revision = _data_set(asked)
        figure = next(f for f in card.figures if (f.name, f.configuration, f.metric) == (name, title, one.metric))
        if identifier and not asked.partial:
            notes = f"{asked.protocol} protocol, {asked.shots}-shot, {figure.metric}, 95% interval {_ends(figure)}"
            seeds = f", mean of {figure.seeds} trainings" if figure.seeds > 1 else ""
            made.append(
                EvalResultEntry(
                    dataset_id=identifier,
                    task_id=asked.task.removeprefix("lm_eval:"),
                    value=figure.value,
                    dataset_revision=revision,
                    date=max((run.finished for run in card.own_runs), default="") or None,
                    notes=f"{notes}{seeds}, lora-harness",
                )
            )
    return made


def _asked(card: Card, name: str) -> Asked:
    return next(one for one in card.asked if one.name == name)


def _data_set(asked: Asked) -> tuple[str | None, str | None, str | None]:
    """Id, configuration and revision on the hub; None each where the rows are none of the hub's."""
    kind, _, rest = asked.source.partition(":")
    if kind == "hub":
        identifier, _, revision = rest.partition("@")
        return identifier, None, revision or None
    if kind == "lm_eval":
        identifier, _, config = rest.partition(":")
        return (identifier, config or None, None) if HUB_ID.fullmatch(identifier) else (None, None, None)
    return None, None, None


def _source(asked: Asked) -> str:
    """What rows these are, without a place of this machine."""
    return "bundled sample" if asked.source == "sample" else "own rows"


def _is_hub_id(model: str) -> bool:
    return bool(HUB_ID.fullmatch(model)) and not Path(model).exists()


def _datasets(training: Training | None) -> list[str]:
    if training is None:
        return []
    if training.rows == "hub":
        return [identifier for identifier, _ in sources.HUB.values()]
    named = [part.strip() for part in training.rows.split(",")]
    return list(dict.fromkeys(hub_sources.parse(part).id for part in named if hub_sources.is_named(part)))


# ---- the page ----


def _body(card: Card) -> str:
    lines = [f"\n# {as_markdown(card.name)}\n", _about(card)]
    if card.verdict:
        lines += ["\n## Verdict\n", *(f"- {as_markdown(text)}" for text in card.verdict)]
    lines += [
        "\n## Scores\n",
        *_table(
            ("task", "metric", "score [95%]", "items", "trainings", "protocol", "shots", "rows"),
            (
                (
                    figure.name,
                    figure.metric,
                    f"{figure.value:.4f} {_ends(figure)}",
                    str(figure.n),
                    str(figure.seeds),
                    asked.protocol + " in a chat template" * asked.chat,
                    str(asked.shots),
                    f"{asked.source if _data_set(asked)[0] else _source(asked)}{', a part' * asked.partial}",
                )
                for figure in _own(card)
                for asked in [_asked(card, figure.name)]
            ),
        ),
    ]
    if card.differences:
        lines += [
            "\n## Compared with\n",
            *_table(
                ("rival", "task", "metric", "difference [95%]", "p (Holm)", "items"),
                (
                    (
                        one.rival,
                        one.name,
                        one.metric,
                        f"{one.difference:+.4f} [{one.low:+.4f}, {one.high:+.4f}]",
                        f"{one.p_holm:.3g}",
                        str(one.n),
                    )
                    for one in card.differences
                ),
            ),
        ]
        lines += ["\nDifferences are paired by item; above 0 this model is better where more is better."]
    if card.training:
        lines += ["\n## How it was trained\n", *_table(("what", "value"), _trained(card.training))]
    lines += ["\n## What these numbers are made of\n", *_table(("what", "value"), _made_of(card))]
    lines += [
        "\n## How to verify\n",
        "`card.json` holds all that this page says, `samples/` the scored answers, `manifest_card.json` the SHA-256 of",
        "each file. In this folder, without a network and without the model:\n",
        "```sh\npip install lora-harness\nharness verify .\n```",
    ]
    if card.warnings:
        lines += ["\n## Warnings\n", *(f"- {as_markdown(text)}" for text in card.warnings)]
    return "\n".join(lines) + "\n"


def _about(card: Card) -> str:
    if not card.base_digest:
        return "Scores of this model with their intervals."
    base = as_markdown(card.base or "a base") if _is_hub_id(card.base) else "a base"
    text = f"A LoRA adapter on {base} (SHA-256 {card.base_digest[:12]}…)."
    if card.training:
        one = card.training
        text += (
            f" Its hyperparameters are trial {one.trial} of {one.trials} of a search by {as_markdown(one.optimizer)}."
        )
    return text


def _trained(one: Training) -> Iterable[tuple[str, str]]:
    yield "search", f"{one.study}: {one.optimizer}, seed {one.seed}, {one.trials} of {one.budget} trials"
    yield "search's identity", one.identity
    yield "objectives", ", ".join(one.objectives)
    yield "trial", f"{one.trial}{f' ({one.label})' if one.label else ''}"
    for name, value in one.hyperparameters.items():
        yield name, ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    yield "template of the rows", one.template
    yield "most tokens of a row", str(one.max_tokens)
    yield "precision", one.dtype
    for part, digest in one.row_digests.items():
        yield f"{part} rows (SHA-256)", digest
    yield "seeds of the trainings", ", ".join(map(str, one.seeds))
    if one.validation_loss is not None:
        yield "validation loss, nats a token", f"{one.validation_loss:.4f}"
    yield "tokens computed by the search", f"{one.tokens:,}"


def _made_of(card: Card) -> Iterable[tuple[str, str]]:
    if card.base_digest:
        yield "base (SHA-256)", card.base_digest
    for run in card.runs:
        whose = "run of this model" if run in card.own_runs else "run of a rival"
        yield whose, f"{run.id}, model {run.model_digest}, {run.backend}, {run.device}, {run.dtype}, seed {run.seed}"
    for one in card.asked:
        yield f"rows of {one.name} (SHA-256)", one.digest
    packages = card.program.get("packages", {})
    yield "program", ", ".join(f"{name} {version}" for name, version in packages.items())
    if revision := card.program.get("git_revision"):
        yield "program's revision", str(revision)
    yield "platform", f"{card.program.get('platform', '')}, Python {card.program.get('python', '')}"


def _table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    lines = [f"| {' | '.join(columns)} |", "|" + " --- |" * len(columns)]
    return lines + [f"| {' | '.join(as_markdown(str(cell)) for cell in row)} |" for row in rows]


def _ends(figure: Figure) -> str:
    return f"[{figure.low:.4f}, {figure.high:.4f}]"
