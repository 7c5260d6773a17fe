"""What a run would take, before it begins: `harness run --plan`. tuning/estimate/ is the same for a search.

A few of the run's own questions are asked, in a store that is thrown away, with the run's own code (measure.py). What
the whole run computes is counted from its plan (workload.py), and seconds follow in proportion; generation.py is for
texts, whose lengths nobody knows before. `estimating.estimate` puts it together, report.py prints it, and outcome.py
holds it against what happened.
"""
