"""Proposes, trains and ranks LoRA adapters."""
