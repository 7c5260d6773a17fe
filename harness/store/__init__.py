"""The store: one DuckDB file that remembers everything measured. This package knows how a file is opened, locked, kept
whole, merged and tidied; what is in it comes from the packages that register a `Schema`.

`harness.results.Store` has runs, `judges.store.Store` answers and comparisons too, `tuning.store.Store` studies too."""
