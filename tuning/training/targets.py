"""Which modules of a base LoRA goes on: that they are there is found before any trial.

peft is content with one that fits: a name that is mistyped beside it is left out without a word, and an architecture
without `q_proj` fails every trial. So every name must be a module that LoRA can go on, and where nobody chose, the
usual names are replaced by those of the architecture, with a note. The words `auto`, `attention` and `mlp` become the
names that they stand for in this base, once, when a study is planned: a study and its trials know names alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.errors import UsageError, suggest
from harness.models.loading import listed
from harness.options import not_given
from tuning.study.parameters import Choice, Parameter
from tuning.study.space import WORDS, Space, modules
from tuning.training.linear_modules import Modules, UnlistedError, listed_in_files, modules_of

if TYPE_CHECKING:
    from harness.models.checkpoint import Checkpoint

USUAL = ("q_proj", "v_proj")
_UNLISTED = ("The base's modules cannot be listed without its weights; LoRA goes on q_proj and v_proj.",)
# Projections of attention's input under the names that architectures have for them; the first that are there are taken.
_ATTENTION = (
    ("query_key_value",),
    ("qkv_proj",),
    ("Wqkv",),
    ("c_attn",),
    ("q_a_proj", "q_b_proj", "kv_b_proj"),
    ("q_proj", "kv_b_proj"),
    ("q_proj", "v_proj"),
    ("query", "value"),
    ("q_lin", "v_lin"),
    ("wq", "wv"),
    ("q", "v"),
    ("qkv",),
    ("in_proj",),
)


def fits(target: str, names: Iterable[str]) -> bool:
    """Does a target name one of the modules, as peft takes it: its whole name, or the end of it?"""
    return any(name == target or name.endswith(f".{target}") for name in names)


def chosen(wanted: Sequence[str], base: Modules) -> tuple[str, ...]:
    """A preset's targets that the base has, or those of its architecture. UsageError where neither is there."""
    if not set(WORDS).isdisjoint(wanted):
        try:
            return named(wanted, base)
        except UsageError as error:
            raise not_given("set", f"target_modules: {str(error).removesuffix('.')}") from error
    if there := tuple(name for name in wanted if fits(name, base.linear)):
        return there
    for names in (_of_peft(base.kind), *_ATTENTION):
        if names and all(fits(name, base.linear) for name in names):
            return tuple(names)
    raise not_given(
        "set",
        f"target_modules, since the base has no {' and no '.join(wanted)} to put LoRA on, and what stands for them in "
        f"{base.kind} is not known. Its linear modules are {listed(base.names, 12)}",
    )


def check(targets: Iterable[str], base: Modules) -> None:
    """UsageError where a target is no module of the base, or none that LoRA can go on."""
    for target in targets:
        if fits(target, (*base.linear, *base.embeddings)):
            continue
        kind = "linear module" if fits(target, base.every) else "module"
        raise UsageError(
            f"the base has no {kind} {target}.{suggest(target, [*base.names, *base.linear, *WORDS])} Its linear "
            f"modules are {listed(base.names, 12)}."
        )


def named(targets: Iterable[str], base: Modules) -> tuple[str, ...]:
    """The targets, each word as the names that it stands for. UsageError where one stands for none here, or a name is
    no module of the base."""
    names: list[str] = []
    for target in targets:
        if target not in WORDS:
            check([target], base)
            names.append(target)
            continue
        meant = {"auto": base.of_blocks, "attention": base.of_attention, "mlp": base.of_mlp}[target]
        if not meant:
            raise UsageError(
                f"{target} stands for no linear module of this base. Its linear modules are "
                f"{listed(base.names, 12)}.{_solid(base)}"
            )
        names += base.shortest(meant)
    return tuple(dict.fromkeys(names))


def settle(
    checkpoint: Checkpoint, space: Space, wanted: tuple[str, ...], others: Iterable[str], by_a_person: bool
) -> tuple[Space, tuple[str, ...], tuple[str, ...]]:
    """The space and the targets `wanted` where it searches none, in names; and notes on what LoRA goes on.

    `wanted` are a preset's, or `by_a_person`; `others` are those of points from elsewhere. UsageError where a study
    would put LoRA on what the base does not have."""
    words = [name for name in (*_searched(space), *wanted) if name in WORDS]
    base = listed_in_files(checkpoint)
    if base is None:
        try:
            base = modules_of(checkpoint)
        except UnlistedError as error:
            if words and (by_a_person or words != list(wanted)):
                raise UsageError(f"the base's modules cannot be listed without its weights: {error}") from error
            return space, (USUAL if words else wanted), _UNLISTED if words else ()
    space = _in_names(space, base)
    check(sorted(others), base)
    targets = named(wanted, base) if by_a_person else chosen(wanted, base)
    notes = _notes(base) if words else []
    absent = [name for name in wanted if name not in (*targets, *WORDS)]
    if absent:
        notes.append(
            f"The base has no {' and no '.join(absent)}; LoRA goes on {', '.join(targets)} ({base.kind}). "
            f"target_modules in `set` names others of its linear modules: {listed(base.names, 12)}."
        )
    return space, targets, tuple(notes)


def _searched(space: Space) -> list[str]:
    values = [value for p in space.parameters if p.name == "target_modules" for value in getattr(p, "values", ())]
    return [name for value in values for name in modules(value)]


def _in_names(space: Space, base: Modules) -> Space:
    """The space with its choices of targets in names. UsageError where two of them are the same modules."""
    return Space([_choice_in_names(p, base) if p.name == "target_modules" else p for p in space.parameters])


def _choice_in_names(parameter: Parameter, base: Modules) -> Parameter:
    if not isinstance(parameter, Choice):
        return parameter
    written: dict[str, str] = {}
    for value in parameter.values:
        text = str(value)
        names = ",".join(named(modules(text), base))
        if names in written:
            raise UsageError(f"{written[names]} and {text} are the same modules of this base: {names}.")
        written[names] = text
    # names alone stay as they are written: studies are known by them
    is_kept = {text: "+" not in text and set(WORDS).isdisjoint(modules(text)) for text in written.values()}
    return replace(parameter, values=tuple(text if is_kept[text] else names for names, text in written.items()))


def _notes(base: Modules) -> list[str]:
    """What words leave out of the blocks."""
    notes = []
    if base.beside:
        notes.append(f"auto, attention and mlp leave out {listed(base.beside, 8)}: see docs/tuning.md, Targets.")
    if base.tensors:
        notes.append(_solid(base).strip())
    return notes


def _solid(base: Modules) -> str:
    if not base.tensors:
        return ""
    return (
        f" LoRA goes on no {listed(list(base.tensors), 6)}: these weights of {base.kind} (a mixture's experts) are "
        "single tensors and no linear modules."
    )


def _of_peft(kind: str) -> tuple[str, ...]:
    """What peft takes for an architecture; () where it names none, or by a pattern."""
    from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as KNOWN

    targets = KNOWN.get(kind, ())
    return () if isinstance(targets, str) else tuple(targets)
