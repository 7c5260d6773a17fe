"""A model that a server serves: what can be known of it, and what is only its word.

Weights, dtype and chat template of a served model cannot be seen. Its digest covers the address, the names, and the
tokenizer that we use with it, and says so: it begins with `served:`. Two runs with one digest asked the same name at
the same address, and that is all.
"""

from __future__ import annotations

from pathlib import Path

from harness.backends.endpoint.client import check_url
from harness.errors import ModelError
from harness.models.checkpoint import Checkpoint, combine, locate, tokenizer_parts
from harness.options import OptionError, not_given

UNVERIFIED = (
    "unverified: which weights, and whether an adapter, answered is the server's word only; with --base-name, and the "
    "base served too, it is probed"
)


def is_address(model: str) -> bool:
    return model.startswith(("http://", "https://"))


def resolve_served(url: str, name: str | None, base_name: str | None, tokenizer: str | None) -> Checkpoint:
    """The server is not asked: a finished run is found while it is down."""
    url = check_url(url)
    if not name:
        raise not_given("served_name", f"{url} is a server, which lists its models at {url}/models")
    if name == base_name:
        raise OptionError("base_name", name, " is the model that is measured: give the base without the adapter.")
    parts = [("address", url), ("name", name), ("base", base_name or "")]
    folder = Path()
    if tokenizer is not None:
        folder, _ = locate(tokenizer, None)
        own = tokenizer_parts(folder)
        if own is None:
            raise ModelError(f"{folder} has no tokenizer. Give the served model's with --tokenizer.")
        parts += [(f"tokenizer {file}", digest) for file, digest in own]
    return Checkpoint(
        given=f"{name} at {url}",
        kind="served",
        path=Path(),
        digest=f"served:{combine(parts)}",
        dtype="unknown",
        architecture="",
        tokenizer=folder,
    )
