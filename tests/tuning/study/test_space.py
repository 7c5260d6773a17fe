"""Spaces, presets and what a point means."""

from __future__ import annotations

import json
import math
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from tests.tuning.spaces import spaces
from tuning.study.parameters import Choice, Integer, Real, Stepped
from tuning.study.presets import PRESETS, fixed_points, preset
from tuning.study.space import Space, same
from tuning.types import Hyperparameters

DEFAULTS = Hyperparameters(rank=8, alpha=16, dropout=0.0, lr=1e-4)


@given(space=spaces(), data=st.data())
def test_codes_and_tables_bring_back_the_same_point(space: Space, data: st.DataObject):
    codes = [
        data.draw(st.floats(low, high) if p.size is None else st.integers(int(low), int(high)))
        for p, (low, high) in zip(space.parameters, space.bounds, strict=True)
    ]
    point = space.decode(codes)
    assert space.canonical(point) == point
    again = space.decode(space.encode(point))
    assert space.key(again) == space.key(point)
    assert all(isinstance(c, int) or p.size is None for c, p in zip(space.encode(point), space.parameters, strict=True))
    assert Space.from_dict(json.loads(json.dumps(space.to_dict()))) == space


@given(space=spaces(), data=st.data())
def test_hyperparameters_have_their_point(space: Space, data: st.DataObject):
    point = space.decode([data.draw(st.sampled_from(bounds)) for bounds in space.bounds])
    hyper = space.hyperparameters(point, DEFAULTS)
    back = space.point(hyper, DEFAULTS)
    assert back is not None
    assert same(space.hyperparameters(back, DEFAULTS), hyper)


def test_alpha_follows_the_rank():
    over = Space([Choice("rank", (4, 16)), Integer("alpha_over_rank", 1, 64)])
    root = Space([Choice("rank", (4, 16)), Integer("alpha_over_sqrt_rank", 1, 64)])
    assert over.hyperparameters({"rank": 16, "alpha_over_rank": 2}, DEFAULTS).alpha == 32
    assert root.hyperparameters({"rank": 16, "alpha_over_sqrt_rank": 2}, DEFAULTS).alpha == 8
    fixed_rank = Space([Integer("alpha_over_rank", 1, 64)])
    assert fixed_rank.hyperparameters({"alpha_over_rank": 3}, DEFAULTS).alpha == 24


def test_every_hyperparameter_can_be_searched():
    space = Space.from_dict(
        tomllib.loads(
            """
            rank = {kind = "choice", values = [4, 8]}
            target_modules = {kind = "choice", values = ["q_proj,v_proj", "all-linear"]}
            epochs = {kind = "stepped", low = 1, high = 3, step = 0.5}
            batch = {kind = "choice", values = [16, 128]}
            warmup = {kind = "real", low = 0, high = 0.1}
            lora_plus = {kind = "log", low = 1, high = 32}
            rslora = {kind = "choice", values = [false, true]}
            dora = {kind = "choice", values = [false, true]}
            """
        )
    )
    point = {"rank": 8, "target_modules": "q_proj,v_proj", "epochs": 2, "batch": 16, "warmup": 0.03, "lora_plus": 16}
    hyper = space.hyperparameters({**point, "rslora": True, "dora": False}, DEFAULTS)
    assert hyper == Hyperparameters(8, 16, 0.0, 1e-4, ("q_proj", "v_proj"), 2.0, 16, 0.03, 16.0, True, False)
    assert space.size is None


def test_real_values_have_four_digits_so_that_noise_makes_no_trial():
    lr = Real("lr", 1e-6, 1e-3, log=True)
    assert lr.decode(math.log10(2e-4) + 1e-9) == 2e-4
    assert lr.decode(-99) == 1e-6
    steps = Stepped("warmup", 0.1, 0.7, 0.1)
    assert [steps.decode(code) for code in range(7)] == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({"ranks": {"kind": "integer", "low": 1, "high": 2}}, "Did you mean rank"),
        ({"rank": {"kind": "int", "low": 1, "high": 2}}, "kind is choice, integer"),
        ({"rank": {"kind": "integer", "low": 1}}, "has low, high, not low"),
        ({"rank": {"kind": "integer", "low": 8, "high": 2}}, "empty"),
        ({"rank": {"kind": "integer", "low": 0, "high": 2}}, "rank is a number at least 1"),
        ({"rank": {"kind": "integer", "low": 1.5, "high": 2}}, "whole numbers"),
        ({"rank": {"kind": "real", "low": 1.5, "high": 2}}, "rank is a whole number"),
        ({"rank": {"kind": "choice", "values": []}}, "values that differ"),
        ({"rank": {"kind": "choice", "values": [8, 4]}}, "rising order"),
        ({"rank": {"kind": "choice", "values": "8"}}, "a list"),
        ({"lr": {"kind": "log", "low": 0, "high": 1}}, "above zero"),
        ({"lr": {"kind": "real", "low": "a", "high": 1}}, "not a number"),
        ({"dropout": {"kind": "real", "low": 0, "high": 1.5}}, "at most 1"),
        ({"dora": {"kind": "choice", "values": [0, 1]}}, "true and false"),
        ({"target_modules": {"kind": "choice", "values": [" "]}}, "names no module"),
        ({"rank": 8}, "is a table"),
        ({}, "at least one parameter"),
        (
            {
                "alpha": {"kind": "integer", "low": 1, "high": 2},
                "alpha_over_rank": {"kind": "integer", "low": 1, "high": 2},
            },
            "not several",
        ),
    ],
)
def test_a_space_that_makes_no_sense_is_a_sentence(table: dict, sentence: str):
    with pytest.raises(UsageError, match=sentence):
        Space.from_dict(table)


def test_a_point_that_is_none_is_a_sentence():
    space = PRESETS["modern"].space
    with pytest.raises(UsageError, match="lacks dropout, lr and has alpha"):
        space.check({"rank": 4, "alpha_over_rank": 1, "alpha": 3})
    with pytest.raises(UsageError, match="rank = 5 is not one of 4, 8"):
        space.check({"rank": 5, "alpha_over_rank": 1, "dropout": 0.0, "lr": 1e-4})


def test_presets_are_the_papers():
    one, two, low = (preset(f"paper-{name}") for name in ("round1", "round2", "low-rank"))
    assert one.space.parameters[0] == Choice("rank", (4, 8, 16, 32, 64, 128))
    assert two.space.parameters[0] == Choice("rank", (4, 8, 16, 32, 64, 128, 256, 512))
    assert one.space.parameters[1:] == two.space.parameters[1:]
    assert one.space.parameters[1:] == (
        Integer("alpha", 1, 64),
        Choice("dropout", (0.0, 1e-4, 1e-3, 1e-2, 0.1)),
        Real("lr", 1e-6, 1e-3, log=True),
    )
    assert [(p.budget, p.defaults.epochs, p.rungs) for p in (one, two, low)] == [
        (50, 3, False),
        (100, 2, False),
        (50, 3, False),
    ]
    first = one.first
    assert (first.rank, first.alpha, first.dropout, first.lr) == (8, 32, 0.1, 1e-5)
    assert (first.batch, first.warmup, first.target_modules) == (128, 0.03, ("q_proj", "v_proj"))
    assert (low.first.rank, low.first.alpha, low.first.dropout, low.first.lr) == (8, 64, 0.0, 10**-3.5)
    assert low.space.names == ("rank", "alpha_over_rank", "dropout")
    modern = preset("modern")
    assert modern.space.parameters[1] == Choice("alpha_over_rank", (0.25, 0.5, 1, 2, 4, 8, 16))
    assert (modern.budget, modern.rungs) == (40, True)
    for each in (one, two, low, modern):
        assert each.space.point(each.first, each.defaults) is not None


def test_as_published_brings_dropout_1_back():
    assert preset("paper-round1", as_published=True).space.parameters[2].size == 6
    assert preset("paper-round1").space.parameters[2].size == 5
    with pytest.raises(UsageError, match="belongs to the paper's presets"):
        preset("modern", as_published=True)
    with pytest.raises(UsageError, match="Did you mean paper-round"):
        preset("paper-round")


def test_fixed_points_are_trained_as_the_study_trains():
    points = fixed_points(PRESETS["paper-round2"].defaults)
    assert list(points) == ["paper-default", "peft-default", "common"]
    assert {p.epochs for p in points.values()} == {2.0}
    assert [(p.rank, p.alpha, p.dropout, p.lr) for p in points.values()] == [
        (8, 32, 0.1, 1e-5),
        (8, 8, 0.0, 2e-4),
        (8, 16, 0.05, 2e-4),
    ]
