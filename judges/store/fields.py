"""What the columns of prompt sets, answers, judges, comparisons, rating plans and choices of pairs hold."""

from harness.store.codec import Fields

FIELDS = Fields(
    json=("config", "provenance"),
    moments=("created", "finished", "revoked", "superseded", "closed"),
    texts=("warnings", "notes", "turns", "reference", "answer_sets", "prompts"),
    int32=("place", "turn", "repeat", "asked", "generated", "ratings", "round", "available"),
    int64=("seed", "answer_seed", "tokens_in", "tokens_out"),
    float64=("temperature", "top_p", "cost", "seconds", "lost", "reserved"),
)
