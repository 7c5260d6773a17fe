"""Measurements of training and search: each module is a command that says what it takes."""
