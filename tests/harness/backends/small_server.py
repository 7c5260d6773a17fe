"""A small model behind the servers that there are: vLLM's, one with echo, one with a list of the likeliest, a chat."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.types import Prompt
from tests.harness.servers import error


class SmallModel:
    """Plain forward passes, one sequence at a time."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.model = AutoModelForCausalLM.from_pretrained(folder).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        ends = self.model.generation_config.eos_token_id
        self.ends = set(ends if isinstance(ends, list) else [ends])

    def logprobs(self, ids: list[int]) -> Any:
        """[tokens, vocabulary]"""
        import torch

        with torch.inference_mode():
            return self.model(torch.tensor([ids])).logits[0].log_softmax(-1)

    def likeliest(self, prompt: Prompt) -> tuple[str, ...]:
        """Words among the five likeliest next tokens."""
        ids = self.tokenizer.encode(prompt.shared + prompt.own)
        top = [self.tokenizer.decode([t]) for t in self.logprobs(ids)[-1].topk(5).indices.tolist()]
        return tuple(t for t in top if t[0] == " " and t[1:].isascii() and t[1:].isalpha())

    def generate(
        self,
        ids: list[int],
        most: int,
        temperature: float,
        top_p: float,
        seed: int,
        stop: list[str],
        stop_ids: Sequence[int] = (),
    ) -> tuple[list[int], str]:
        """Tokens (the end token included) and why they ended. Stops are looked for after each token, as servers do, in
        a text without special tokens."""
        import torch

        generator = torch.Generator().manual_seed(seed)
        said: list[int] = []
        past, new = None, ids
        while len(said) < most:
            with torch.inference_mode():
                out = self.model(torch.tensor([new]), past_key_values=past, use_cache=True, logits_to_keep=1)
            past, last = out.past_key_values, out.logits[0, -1].log_softmax(-1)
            if temperature:
                probs, order = (last / temperature).softmax(-1).sort(descending=True)
                probs[probs.cumsum(0) - probs >= top_p] = 0
                said.append(int(order[torch.multinomial(probs, 1, generator=generator)]))
            else:
                said.append(int(last.argmax()))
            new = said[-1:]
            if self.stops(said, stop, stop_ids):
                return said, "stop"
        return said, "length"

    def stops(self, said: list[int], stop: list[str], stop_ids: Sequence[int]) -> bool:
        if said[-1] in self.ends or said[-1] in stop_ids:
            return True
        text = self.tokenizer.decode(said, skip_special_tokens=True) if stop else ""
        return any(s in text for s in stop)


class Scripted(SmallModel):
    """Says `script`, token by token, whatever it is asked."""

    script: Sequence[int] = ()

    def generate(
        self,
        ids: list[int],
        most: int,
        temperature: float,
        top_p: float,
        seed: int,
        stop: list[str],
        stop_ids: Sequence[int] = (),
    ) -> tuple[list[int], str]:
        said: list[int] = []
        for token in self.script[:most]:
            said.append(token)
            if self.stops(said, stop, stop_ids):
                return said, "stop"
        return said, "length"


class SmallServer:
    """`kind`: "vllm", "echo", "list" (the 5 likeliest, no echo), "plain" (text only), "chat"."""

    def __init__(self, model: SmallModel, kind: str, names: dict[str, SmallModel] | None = None) -> None:
        self.model, self.kind = model, kind
        self.names = names or {"small": model}
        self.lock = threading.Lock()  # one forward pass at a time

    def __call__(self, path: str, body: dict[str, Any]) -> Any:
        if path == "/v1/models":
            window = {"max_model_len": 2048, "owned_by": "vllm"} if self.kind == "vllm" else {}
            return {"data": [{"id": name, **window} for name in self.names]}
        if body["model"] not in self.names:
            return error(404, f"The model {body['model']} does not exist.")
        with self.lock:
            if path == "/v1/completions" and self.kind != "chat":
                return self.complete(self.names[body["model"]], body)
            if path == "/v1/chat/completions":
                return self.chat(self.names[body["model"]], body)
        return error(404, "Not found")

    def chat(self, model: SmallModel, body: dict[str, Any]) -> Any:
        text = model.tokenizer.apply_chat_template(body["messages"], tokenize=False, add_generation_prompt=True)
        ids = model.tokenizer.encode(text, add_special_tokens=False)
        reply = self.complete(model, {**body, "prompt": ids})
        (choice,) = reply["choices"]
        choice["message"] = {"role": "assistant", "content": choice.pop("text")}
        return reply

    def complete(self, model: SmallModel, body: dict[str, Any]) -> Any:
        prompt = body["prompt"]
        ids = prompt if isinstance(prompt, list) else model.tokenizer.encode(prompt)
        if self.kind in ("list", "echo") and (body.get("logprobs") or 0) > 5:
            return error(400, "logprobs is at most 5")
        if self.kind in ("list", "plain", "chat") and body.get("echo"):
            return error(400, "echo is not supported")
        if len(ids) + (body["max_tokens"] or 1) > 2048:
            return error(400, "This model's maximum context length is 2048 tokens.")
        stop = body.get("stop") or []
        said, finish = model.generate(
            ids,
            body["max_tokens"],
            body["temperature"],
            body.get("top_p", 1.0),
            body.get("seed", 0),
            stop,
            body.get("stop_token_ids") or [],
        )
        shown = said[:-1] if said and said[-1] in model.ends else said
        text = model.tokenizer.decode(shown, skip_special_tokens=True)
        cuts = [text.find(s) for s in stop if s in text]
        choice: dict[str, Any] = {"index": 0, "finish_reason": finish, "text": text[: min(cuts)] if cuts else text}
        if self.kind == "vllm" and body.get("return_token_ids"):
            choice["token_ids"] = said
        if self.kind == "vllm" and body.get("logprob_token_ids"):
            last = model.logprobs(ids)[-1]
            wanted = {said[0], *body["logprob_token_ids"]}
            choice["logprobs"] = {
                "tokens": [f"token_id:{said[0]}"],
                "top_logprobs": [{f"token_id:{t}": last[t].item() for t in wanted}],
            }
        elif body.get("logprobs") is not None and self.kind in ("vllm", "list", "echo"):
            choice["logprobs"] = self._logprobs(model, ids, said[:1], body["logprobs"], bool(body.get("echo")))
        return {"choices": [choice], "usage": {"prompt_tokens": len(ids), "completion_tokens": len(said)}}

    def _logprobs(self, model: SmallModel, ids: list[int], said: list[int], most: int, echo: bool) -> Any:
        rows, whole = model.logprobs(ids), [*ids, *said]
        values: list[float | None] = [None]
        top: list[dict[str, float] | None] = [None]
        for row, t in zip(rows, whole[1:], strict=False):
            best = row.topk(most)
            listed = {
                model.tokenizer.decode([int(i)]): v.item()
                for i, v in reversed(list(zip(best.indices, best.values, strict=True)))
            }
            listed.setdefault(model.tokenizer.decode([t]), row[t].item())
            values.append(row[t].item())
            top.append(listed)
        tokens = [model.tokenizer.decode([t]) for t in whole]
        first = 0 if echo else len(ids)
        return {"tokens": tokens[first:], "token_logprobs": values[first:], "top_logprobs": top[first:]}
