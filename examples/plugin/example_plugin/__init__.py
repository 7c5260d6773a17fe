"""One part of each kind for LoRA harness, each in a file of its own."""
