"""What the columns of runs, tasks, responses, samples and scores hold."""

from harness.store.codec import Fields

FIELDS = Fields(
    json=("config", "provenance", "totals", "settings", "document"),
    moments=("created", "finished", "made"),
    texts=("warnings", "options"),
    maps=("metrics",),
    bools=("partial", "chat"),
    int32=("key", "repeat", "part", "asked", "reused", "generated", "shots"),
    int64=("seed", "items", "n"),
    float64=("value", "low", "high"),
    bool_lists=("greedy",),
    int32_lists=("tokens",),
    float64_lists=("logprobs",),
)
