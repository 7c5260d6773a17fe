"""Reads hub data sets at one commit: a branch or tag is resolved first, and the commit stands in the source."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from data.sources import WHAT_TO_DO, DataError

_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Repository:
    """One hub data set at one commit; `rows` downloads (or takes from the hub's own cache) one split."""

    id: str
    revision: str  # a commit
    what_to_do: str = WHAT_TO_DO  # where it cannot be had

    def rows(self, config: str | None, split: str) -> Iterable[Mapping[str, Any]]:
        import datasets

        if Path(self.id).exists():
            raise DataError(
                f"hub:{self.id}: a file or folder {self.id} lies here and would be read in its place. Start elsewhere."
            )
        loaded = _from_hub(self, lambda: datasets.load_dataset(self.id, config, split=split, revision=self.revision))
        self._check_commit(loaded)
        rows: Iterable[Mapping[str, Any]] = loaded
        return rows

    def _check_commit(self, loaded: Any) -> None:
        """Without a network `datasets` takes what it loaded last, of whatever commit; each commit has a folder."""
        folders = {Path(file["filename"]).parent.name for file in loaded.cache_files}
        commits = {folder for folder in folders if _COMMIT.fullmatch(folder)}
        if commits - {self.revision}:
            raise DataError(
                f"hub:{self.id}@{self.revision} could not be had: the hub cannot be reached, and what was downloaded "
                f"before is commit {min(commits)}. {self.what_to_do}"
            )


def resolve(repository: str, revision: str, what_to_do: str = WHAT_TO_DO) -> Repository:
    """A branch or tag may move, so the commit that it names now is looked up and recorded."""
    named = Repository(repository, revision, what_to_do)
    if _COMMIT.fullmatch(revision):
        return named
    import huggingface_hub

    info = _from_hub(named, lambda: huggingface_hub.HfApi().dataset_info(repository, revision=revision))
    return replace(named, revision=str(info.sha))


def _from_hub(named: Repository, call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Exception as error:  # the hub's clients raise a dozen kinds, most for one cause: no network
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        reason = " ".join(lines[:2] if isinstance(error, ValueError) else lines[:1])  # the second names what there is
        raise DataError(f"hub:{named.id}@{named.revision} could not be had ({reason}). {named.what_to_do}") from error


def need(row: Mapping[str, Any], keys: tuple[str, ...], where: str) -> None:
    """DataError where a hub's row lacks one of the columns."""
    missing = [key for key in keys if key not in row]
    if missing:
        raise DataError(f"{where}: no column {', '.join(missing)}; there are {', '.join(row)}. Name another data set.")
