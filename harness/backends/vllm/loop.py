"""vLLM's async engine, driven from a thread of its own: calls go in, answers come out as they finish.

At most `window` calls are begun and not yet handed on, so that a killed run loses no more than these. The engine
batches them as it likes; results come back in small batches, so that storing them costs little.
"""

from __future__ import annotations

import asyncio
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from harness.errors import ModelError

if TYPE_CHECKING:
    from vllm import RequestOutput, SamplingParams

GATHER_S = 0.2  # results are handed on together that come within this time
K = TypeVar("K")


class Loop:
    """Owns an engine. `make` makes it, inside the event loop; `why` puts an error of the engine into words."""

    def __init__(self, make: Callable[[], Any], window: int, why: Callable[[BaseException], str]) -> None:
        from harness.backends.vllm import guard

        self.window, self._why = window, why
        self._number = 0
        self._guard = guard.start()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="vllm")
        self._thread.start()

        async def begin() -> Any:
            return make()

        try:
            self.engine = self._wait(begin())
        except BaseException:
            self._end()
            raise

    def ask(self, calls: Iterable[tuple[K, list[int], SamplingParams, Any]]) -> Iterator[list[tuple[K, RequestOutput]]]:
        """Each call is (key, token ids, sampling parameters, LoRA request or None); (key, output) as they finish."""
        finished: queue.SimpleQueue[tuple[K, RequestOutput | BaseException]] = queue.SimpleQueue()
        source, tasks, under_way, more = iter(calls), {}, 0, True
        try:
            while True:
                while more and under_way < self.window:
                    call = next(source, None)
                    if call is None:
                        more = False
                        break
                    self._number += 1
                    tasks[self._number] = asyncio.run_coroutine_threadsafe(
                        self._one(self._number, call, finished), self._loop
                    )
                    under_way += 1
                if not under_way:
                    return
                batch = _gather(finished, self.window // 4)
                under_way -= len(batch)
                if failed := [output for _, output in batch if isinstance(output, BaseException)]:
                    raise ModelError(self._why(failed[0])) from failed[0]
                if under_way == 0:
                    tasks.clear()
                yield batch
        finally:
            for task in tasks.values():
                task.cancel()

    async def _one(self, number: int, call: tuple[K, list[int], Any, Any], finished: Any) -> None:
        key, ids, params, lora = call
        outcome: Any = None
        try:
            async for output in self.engine.generate({"prompt_token_ids": ids}, params, str(number), lora_request=lora):
                outcome = output
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            outcome = error
        finished.put((key, outcome))

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def close(self) -> None:
        """End the engine and its processes."""
        if self._loop.is_closed():
            return

        async def end() -> None:
            self.engine.shutdown()
            rest = asyncio.all_tasks() - {asyncio.current_task()}
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)

        self._wait(end())
        del self.engine  # it wants the interpreter whole when it goes
        self._end()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        assert self._guard.stdin
        self._guard.stdin.close()
        try:
            self._guard.wait(5)
        except subprocess.TimeoutExpired:  # a forked process holds the pipe open
            self._guard.kill()
            self._guard.wait()


def _gather(finished: queue.SimpleQueue[Any], most: int) -> list[Any]:
    """At least one; then what comes soon after."""
    batch = [finished.get()]
    until = time.monotonic() + GATHER_S
    while len(batch) < most:
        try:
            batch.append(finished.get(timeout=max(0.0, until - time.monotonic())))
        except queue.Empty:
            break
    return batch
