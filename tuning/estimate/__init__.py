"""What a study would take, before it begins: `harness tune --plan`.

A few trainings of a few rows are done in earnest (measure.py), with the smallest and the largest adapter of the space.
What a whole training computes is counted from its rows (training_cost.py); which trainings there will be is drawn many
times (trials.py), for nobody knows what an optimizer proposes and which trials go on from a rung.
"""
