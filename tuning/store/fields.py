"""What the columns of studies, trials, attempts and loss curves hold."""

from harness.store.codec import Fields

FIELDS = Fields(
    json=("config", "provenance", "hyperparameters", "point", "document", "totals"),
    moments=("created", "finished"),
    texts=("warnings",),
    bools=("estimated", "failed"),
    int32=("number", "trial"),
    int64=(
        "seed",
        "budget",
        "step",
        "steps",
        "micro_batch",
        "peak_bytes",
        "adapter_bytes",
        "validation_tokens",
        "forward_tokens",
        "backward_tokens",
        "measured_tokens",
        "padding_tokens",
    ),
    float64=("fraction", "validation_nats", "train_loss", "seconds", "loss", "lr"),
    int64_lists=("test_tokens",),
    float64_lists=("objectives", "constraints", "test_nats"),
)
