"""Compares answers to open prompts, by models and by people. No screen."""
