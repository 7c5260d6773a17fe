"""vLLM's own counters, of the engines that this process has had."""

from __future__ import annotations


def computed() -> int:
    """Prompt tokens that went through the model."""
    from vllm.v1.metrics.reader import Counter, get_metrics_snapshot

    return sum(
        metric.value
        for metric in get_metrics_snapshot()
        if isinstance(metric, Counter)
        and metric.name == "vllm:prompt_tokens_by_source"
        and metric.labels.get("source") == "local_compute"
    )
