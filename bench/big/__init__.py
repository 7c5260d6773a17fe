"""A store as after a year's work, made by rule: store.py."""
