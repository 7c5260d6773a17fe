"""Reads hub data sets at one commit: a branch or tag is resolved first, and the commit stands in the source."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from data.sources import WHAT_TO_DO, DataError


@dataclass(frozen=True, slots=True)
class Repository:
    """One hub data set at one commit; `rows` downloads (or takes from the hub's own cache) one split."""

    id: str
    revision: str  # a commit

    def rows(self, config: str | None, split: str) -> Iterable[Mapping[str, Any]]:
        import datasets

        return _from_hub(
            self.id, self.revision, lambda: datasets.load_dataset(self.id, config, split=split, revision=self.revision)
        )


def resolve(repository: str, revision: str) -> Repository:
    """A branch or tag may move, so the commit that it names now is looked up and recorded."""
    if re.fullmatch(r"[0-9a-f]{40}", revision):
        return Repository(repository, revision)
    import huggingface_hub

    info = _from_hub(repository, revision, lambda: huggingface_hub.HfApi().dataset_info(repository, revision=revision))
    return Repository(repository, str(info.sha))


def _from_hub(repository: str, revision: str, call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Exception as error:  # the hub's clients raise a dozen kinds, most for one cause: no network
        reason = str(error).strip().split("\n", 1)[0] or type(error).__name__
        raise DataError(f"hub:{repository}@{revision} could not be had ({reason}). {WHAT_TO_DO}") from error


def need(row: Mapping[str, Any], keys: tuple[str, ...], where: str) -> None:
    """DataError where a hub's row lacks one of the columns."""
    missing = [key for key in keys if key not in row]
    if missing:
        raise DataError(f"{where}: no column {', '.join(missing)}; there are {', '.join(row)}. Name another data set.")
