# SPDX-License-Identifier: Apache-2.0
"""Parameters of the arc: their defaults, their bounds, and which of them only make sense together.

Whoever changes a limit of the arc has to change it here too, on purpose.
"""

import math

import pytest

from reflexarc.arc.config import (
    ArcConfig,
    ArmConfig,
    BarrierConfig,
    FreshnessConfig,
    LearnedConfig,
    ModeLimitsConfig,
)
from reflexarc.arc.contact_config import ContactConfig
from reflexarc.core.config import from_mapping
from reflexarc.core.errors import ConfigError

BOUNDS = {
    FreshnessConfig: {
        "state_s": (0.001, 0.1, 1.0),
        "obstacles_s": (0.001, 0.3, 2.0),
        "walls_s": (0.001, 0.5, 5.0),
        "proposal_s": (0.001, 0.3, 2.0),
    },
    ModeLimitsConfig: {
        "normal_m_s": (0.0, 3.56, 5.0),
        "speed_separation_m_s": (0.0, 1.5, 5.0),
        "power_force_limited_m_s": (0.0, 0.25, 0.25),
    },
    BarrierConfig: {
        "clearance_m": (0.0, 0.1, 2.0),
        "wall_clearance_m": (0.0, 0.05, 2.0),
        "sigmas": (0.0, 2.0, 6.0),
        "obstacle_acceleration_m_s2": (0.0, 2.0, 10.0),
        "person_speed_m_s": (0.0, 0.0, 5.0),
        "creep_speed_m_s": (0.0, 0.05, 0.1),
        "rows": (2, 12, 64),
        "speed_scale_m_s": (0.01, 1.0, 10.0),
        "yaw_rate_scale_rad_s": (0.01, 0.5, 10.0),
        "tolerance": (1e-9, None, 1e-2),
        "deadline_s": (1e-6, None, 1.0),
    },
    ArmConfig: {
        "alpha": (0.1, 10.0, 100.0),
        "alpha_2": (0.1, 10.0, 100.0),
        "margin_m": (0.0, 0.0, 0.5),
        "clearance_m": (0.0, 0.02, 1.0),
        "sigmas": (0.0, 2.0, 6.0),
        "obstacle_acceleration_m_s2": (0.0, 2.0, 50.0),
        "obstacles": (0, 32, 512),
        "table_height_m": (-5.0, None, 5.0),
        "manipulability": (1e-9, None, 10.0),
    },
    LearnedConfig: {
        "alpha": (0.01, 4.0, 100.0),
        "horizon_s": (0.005, 0.1, 2.0),
        "reach_m": (0.1, 6.0, 50.0),
        "people": (1, 3, 16),
        "sigmas": (0.0, 1.0, 6.0),
        "residual_share": (0.0, 0.0, 1.0),
    },
    ArcConfig: {
        "rate_hz": (10.0, 200.0, 1000.0),
        "latency_s": (0.0, None, 0.5),
        "walls_sectors": (8, 60, 720),
        "max_obstacle_speed_m_s": (0.1, 20.0, 100.0),
    },
    ContactConfig: {
        "tool_length_m": (0.0, 0.1, 1.0),
        "tool_mass_kg": (0.0, 0.05, 5.0),
        "rule_threshold": (0.0, 0.8, 1.0),
        "every_s": (1e-4, None, 1.0),
        "decision_s": (0.01, 0.1, 2.0),
        "peak_n": (1.0, 40.0, 500.0),
        "sustained_n": (1.0, 25.0, 500.0),
        "sustained_s": (0.001, 0.05, 1.0),
        "surface_n_m": (100.0, 20e3, 1e7),
        "reserve": (0.0, 0.1, 0.9),
        "touching_n": (0.1, 2.0, 50.0),
        "braking_n_s_m": (0.0, 150.0, 300.0),
        "max_stiffness_n_m": (10.0, 2000.0, 5000.0),
        "least_stiffness_n_m": (1.0, 100.0, 2000.0),
        "tilt_n_m_rad": (1.0, 30.0, 300.0),
        "damping_ratio": (0.1, 1.0, 3.0),
        "posture_rad_s": (0.0, 3.0, 20.0),
        "target_range_m": (0.1, 1.2, 10.0),
        "tank_j": (0.01, 2.0, 100.0),
        "tank_least_j": (0.001, 0.1, 10.0),
        "tank_most_j": (0.01, 4.0, 100.0),
        "tank_share": (0.0, 0.95, 1.0),
        "tank_refill_w": (0.0, 1.0, 50.0),
        "wrench_s": (0.001, 0.01, 0.5),
        "frozen_s": (0.002, 0.05, 10.0),
        "wrench_range_n": (10.0, 300.0, 1e5),
        "wrench_range_n_m": (1.0, 50.0, 1e5),
        "tare_s": (0.01, None, 5.0),
        "tare_most_n": (0.1, 5.0, 50.0),
        "encoder_margin": (1.0, 1.5, 10.0),
        "encoder_rad": (0.0, 0.001, 0.1),
    },
}
"""Lowest, default and highest value of every limit."""
TOGETHER = {
    ("peak_n", 1.0): {"sustained_n": 1.0, "touching_n": 0.5},
    ("sustained_n", 500.0): {"peak_n": 500.0},
    ("touching_n", 50.0): {"peak_n": 500.0},
    ("max_stiffness_n_m", 10.0): {"least_stiffness_n_m": 10.0},
    ("tank_j", 0.01): {"tank_least_j": 0.01},
    ("tank_j", 100.0): {"tank_most_j": 100.0},
    ("tank_least_j", 10.0): {"tank_j": 10.0, "tank_most_j": 10.0},
    ("tank_most_j", 0.01): {"tank_j": 0.01, "tank_least_j": 0.001},
}
"""What an extreme value needs beside it."""


@pytest.mark.parametrize(
    ("config", "name", "low", "default", "high"),
    [(config, name, *values) for config, limits in BOUNDS.items() for name, values in limits.items()],
)
def test_a_limit_of_the_arc_has_its_default_and_cannot_leave_its_bounds(config, name, low, default, high):
    assert getattr(config(), name) == default
    for good in (low, high):
        data = {name: good} | TOGETHER.get((name, good), {})
        assert getattr(from_mapping(config, data, "arc"), name) == good
    whole = isinstance(low, int)
    beyond = 0.01 * max(abs(low), 1e-6)
    for bad in (low - 1, high + 1) if whole else (low - beyond, 1.01 * high):
        with pytest.raises(ConfigError, match=f"{name}: .*out of bounds|{name}: .*allowed"):
            from_mapping(config, {name: bad}, "arc")


@pytest.mark.parametrize(
    ("config", "name", "default", "others"),
    [
        (BarrierConfig, "enabled", True, [False]),
        (BarrierConfig, "solver", "daqp", ["elastiqp", "osqp", "piqp"]),
        (ArmConfig, "command", "velocity", ["torque", "impedance"]),
        (ArmConfig, "self_collision", True, [False]),
        (LearnedConfig, "enabled", False, [True]),
        (LearnedConfig, "allow_uncertified", False, [True]),
        (ContactConfig, "critic", True, [False]),
        (ContactConfig, "barrier", True, [False]),
        (ContactConfig, "rule", "soften", ["retreat", "hold", "brake"]),
        (ContactConfig, "region", "", ["lower_leg"]),
        (ContactConfig, "weights", "", ["some.safetensors"]),
    ],
)
def test_a_switch_of_the_arc_stands_as_documented(config, name, default, others):
    assert getattr(config(), name) == default
    for other in others:
        assert getattr(from_mapping(config, {name: other}, "arc"), name) == other
    with pytest.raises(ConfigError, match=name):
        from_mapping(config, {name: 3}, "arc")


@pytest.mark.parametrize(
    ("good", "bad", "words"),
    [
        ({"sustained_n": 40.0}, {"sustained_n": 40.1}, "sustained_n = 40.1 N is above peak_n = 40.0 N"),
        ({"tank_j": 0.1}, {"tank_j": 0.09}, "tank_least_j <= tank_j <= tank_most_j"),
        ({"tank_j": 4.0}, {"tank_j": 4.1}, "tank_least_j <= tank_j <= tank_most_j"),
        (
            {"least_stiffness_n_m": 500.0, "max_stiffness_n_m": 500.0},
            {"least_stiffness_n_m": 501.0, "max_stiffness_n_m": 500.0},
            "least_stiffness_n_m is above",
        ),
        (
            {"touching_n": 31.9, "reserve": 0.2},
            {"touching_n": 32.0, "reserve": 0.2},
            "touching_n = 32.0 N must be below",
        ),
    ],
)
def test_limits_of_a_contact_fit_each_other(good, bad, words):
    for name, value in good.items():
        assert getattr(from_mapping(ContactConfig, good, "arc"), name) == value
    with pytest.raises(ConfigError, match=words):
        from_mapping(ContactConfig, bad, "arc")


def test_a_state_may_be_as_old_as_a_period_at_least():
    assert ArcConfig.from_dict({"rate_hz": 100.0, "freshness": {"state_s": 0.01}}).period == 0.01
    with pytest.raises(ConfigError, match=r"state_s = 0.0099 s is shorter than one period, 0.01 s"):
        ArcConfig.from_dict({"rate_hz": 100.0, "freshness": {"state_s": 0.0099}})
    with pytest.raises(ValueError, match="rate_hz must be finite"):
        ArcConfig(rate_hz=math.nan)


def test_a_solution_is_never_late_unless_the_configuration_says_when():
    assert ArcConfig().longest_solve == math.inf
    assert ArcConfig.from_dict({"barrier": {"deadline_s": 0.002}}).longest_solve == 0.002
    assert ArcConfig.from_dict({"rate_hz": 500.0}).period == 0.002
