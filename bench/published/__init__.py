"""The real model against what its makers published, and against lm-eval's own model class on the same items."""
