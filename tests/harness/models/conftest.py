"""Bases that adapters are put on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.models import make_model


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    make_model(root / "llama")
    make_model(root / "tied", tie_word_embeddings=True)
    make_model(root / "gpt2", "gpt2")
    return root
