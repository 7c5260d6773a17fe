"""`vllm serve` on loopback behind the endpoint backend: `make test-vllm`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("vllm", reason="vLLM is in an environment of its own: make test-vllm")

from harness import backends
from harness.backends.vllm import served_adapter
from harness.errors import ModelError
from harness.evaluation.planning import Options, make_plan
from harness.models.checkpoint import resolve
from harness.types import Choice
from tests.harness.backends import contract
from tests.harness.backends.adapters import make_adapter
from tests.harness.backends.small_server import SmallModel

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(1200)]
START_S = 600


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    return contract.make(tmp_path_factory.mktemp("contract") / "model")


@pytest.fixture(scope="module")
def adapter(base, tmp_path_factory) -> Path:
    return make_adapter(base, tmp_path_factory.mktemp("adapter") / "lora")


@pytest.fixture(scope="module")
def url(base, adapter, tmp_path_factory) -> Iterator[str]:
    wrong = make_adapter(base, adapter.parent / "wrong", damage="names")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("serve") / "log"
    command = [sys.executable, "-P", "-m", "vllm.entrypoints.cli.main", "serve", base, "--served-model-name", "base"]
    command += ["--host", "127.0.0.1", "--port", port, "--dtype", "float32", "--enforce-eager"]
    command += ["--max-model-len", contract.WINDOW, "--enable-lora", "--max-lora-rank", 8, "--max-loras", 2]
    command += ["--lora-modules", f"adapter={adapter}", f"wrong={wrong}"]
    with log.open("wb") as out:
        server = subprocess.Popen([*map(str, command)], stdout=out, stderr=out, start_new_session=True)
    try:
        until = time.monotonic() + START_S
        while not _healthy(port):
            assert server.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < until, log.read_text()[-3000:]
            time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def _healthy(port: int) -> bool:
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2).status == 200
    except OSError:
        return False


def backend_for(url: str, name: str, **options: Any) -> Any:
    given: Any = {"data": "sample", "served_name": name, **options}
    plan = make_plan(Options(model=url, tasks="drop", **given))
    return backends.make(plan.options.backend, plan.model, plan.settings)[0]


def test_the_contract_with_token_ids(url, base) -> None:
    found = contract.check_all(backend_for(url, "base", tokenizer=str(base)), base, "sample", items=3)
    print(f"\nvllm serve, token ids: {found}")


def test_the_contract_with_text(url, base) -> None:
    """Options that are among the likeliest tokens are scored; others are refused, for the server has adapters."""
    wanted = contract.short(contract.asked())
    model = SmallModel(base)
    prompts = [r.prompt for r in [*contract.mmlu("sample", 3), *wanted.scored] if isinstance(r, Choice)]
    scored = [Choice(prompt, words) for prompt in prompts if len(words := model.likeliest(prompt)) > 1]
    assert scored
    backend, reference = backend_for(url, "base"), contract.transformers(base)
    apart = contract.check_scored(contract.answers(backend, scored), contract.answers(reference, scored))
    with pytest.raises(ModelError, match="Give the model's tokenizer"):
        contract.answers(backend, [Choice(prompts[0], (" unlikelihood", " elsewhere"))])
    found, right = contract.answers(backend, wanted.texts), contract.answers(reference, wanted.texts)
    same = sum(found[n].text == right[n].text for n in right)
    print(f"\nvllm serve, text: {len(scored)} scored within {apart:.2g}, {same} of {len(right)} texts equal")
    assert same >= len(right) - 1  # there are no tokens to see whether one is a tie


def test_an_adapter_is_probed_and_answers_as_in_transformers(url, base, adapter) -> None:
    folder, _ = served_adapter.merged(resolve(str(adapter)), "float32")
    backend = backend_for(url, "adapter", base_name="base", tokenizer=str(base))
    print(f"\nvllm serve, adapter: {backend.info.details['probe']}")
    questions = contract.mmlu("sample", 3)
    contract.check_scored(
        contract.answers(backend, questions), contract.answers(contract.transformers(folder), questions)
    )


def test_an_adapter_that_the_server_drops_is_found_out(url, base) -> None:
    with pytest.raises(ModelError, match="answers as its base base does"):
        backend_for(url, "wrong", base_name="base", tokenizer=str(base))
