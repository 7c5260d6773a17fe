"""An adapter for an engine that is not transformers: merged and kept, or live; the engine is held against transformers.

An engine may load an adapter and leave out what it does not know (vLLM says nothing of modules that fit none). So
transformers attaches it first, which checks every tensor, and its log-probabilities on fixed prompts are kept; the
engine must then say the same, and a live adapter must change what the engine says.

Kept by digest under $HARNESS_HOME/adapters (merged checkpoints are as large as their base; a folder may be deleted).
"""

from __future__ import annotations

import functools
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from data import cache
from harness.errors import ModelError
from harness.models.adapter import Probe, probe, write_merged
from harness.models.checkpoint import Checkpoint

if TYPE_CHECKING:
    from harness.models.loaded_base import LoadedBase

# the largest difference between an engine's log-probabilities and transformers', in standard deviations of the logits.
# Engines order their sums differently. Measured with vLLM on a CPU in float32: below 1e-4.
TOLERANCE = {"float32": 1e-3, "float16": 0.1, "bfloat16": 0.5}
LEAST_EFFECT = 0.25  # of the change that the adapter makes in transformers

# (prompts, tokens to score after each, with the adapter?) -> their log-probabilities
Say = Callable[[list[list[int]], list[list[int]], bool], list[list[float]]]


def merged(adapter: Checkpoint, dtype: str) -> tuple[Path, Probe]:
    """The folder of the merged checkpoint; made at the first call."""
    folder = _folder(adapter, dtype) / "merged"
    if not (folder / Probe.FILE).is_file():
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            write_merged(adapter, folder, dtype)
        except ModelError:
            if not (folder / Probe.FILE).is_file():  # or another process was quicker
                raise
    return folder, Probe.read(folder)


def live(adapters: Sequence[Checkpoint], dtype: str) -> list[Probe]:
    """Adapters of one base, each attached and probed with transformers at the first call."""
    from harness.models.loaded_base import LoadedBase
    from harness.models.loading import load_model

    absent = [adapter for adapter in adapters if not (_live_folder(adapter, dtype) / Probe.FILE).is_file()]
    if absent:
        whole = absent[0].base
        assert whole is not None
        base = LoadedBase(functools.partial(load_model, whole, dtype), whole.path, stays=len(absent) > 1)
        for adapter in absent:
            _keep(_probed(adapter, base), _live_folder(adapter, dtype))
    return [Probe.read(_live_folder(adapter, dtype)) for adapter in adapters]


def _probed(adapter: Checkpoint, base: LoadedBase) -> Probe:
    rows = base.bare().get_input_embeddings().weight.shape[0]
    model = base.live(adapter)
    if model.get_input_embeddings().weight.shape[0] != rows:
        raise ModelError(
            f"The adapter {adapter.given} has a vocabulary of its own, which is not served live. Use --lora merge."
        )
    return Probe.of(model, probe(model, adapter)[0])


def _keep(recorded: Probe, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".live.", dir=folder.parent))
    try:
        recorded.write(temporary)
        temporary.rename(folder)
    except OSError:
        if not (folder / Probe.FILE).is_file():
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _live_folder(adapter: Checkpoint, dtype: str) -> Path:
    return _folder(adapter, dtype) / "live"


def check(adapter: Checkpoint, dtype: str, recorded: Probe, say: Say, is_live: bool, engine: str) -> float:
    """Hold the engine against transformers. Returns the largest difference in standard deviations; ModelError where
    it is above TOLERANCE, or where the live adapter changes nothing in the engine."""
    measured = say(recorded.prompts, recorded.tokens, True)
    apart = _largest(measured, recorded.live) / recorded.spread
    if is_live:
        effect, wanted = (
            _largest(measured, say(recorded.prompts, recorded.tokens, False)),
            _largest(recorded.live, recorded.base),
        )
        if not effect >= LEAST_EFFECT * wanted:
            raise ModelError(
                f"{engine} does not apply the adapter {adapter.given}: it changes log-probabilities by {effect:.2g} "
                f"there, and by {wanted:.2g} in transformers. Use --lora merge."
            )
    if not apart <= TOLERANCE[dtype]:
        raise ModelError(
            f"{engine} computes something else than transformers with the adapter {adapter.given} in {dtype}: "
            f"log-probabilities differ by {apart:.2g} standard deviations, and {TOLERANCE[dtype]:g} is the limit. "
            + ("Use --lora merge, or " if is_live else "Use ")
            + "--backend transformers."
        )
    return apart


def _largest(one: list[list[float]], other: list[list[float]]) -> float:
    pairs = [(a, b) for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True)]
    return max(abs(a - b) for a, b in pairs)


def _folder(adapter: Checkpoint, dtype: str) -> Path:
    return cache.folder(None).parent / "adapters" / f"{adapter.digest[:32]}-{dtype}"
