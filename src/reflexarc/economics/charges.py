# SPDX-License-Identifier: Apache-2.0
"""How each model charges: from the means of its columns to every figure of the statement.

All functions take numbers or arrays of resamples. `means` holds shares of runs (`success`, `spoiled`,
`timeout`, `assistance`) and means per run of the model's other columns.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from reflexarc.core.errors import ConfigError
from reflexarc.core.types import Array
from reflexarc.economics import components as c
from reflexarc.economics.parameters import Parameters

Means = Mapping[str, Any]


def published(means: Means, p: Parameters, convention: str, capex: float) -> dict[str, Array]:
    """Charge as v2, v5 and v6 do."""
    costs = {
        "electricity": c.electricity(
            means["power_kw"], p["electricity_price"], p["drive_efficiency"], p["delivery_hours"]
        ),
        "service": c.service(
            means["spoiled"],
            means["timeout"],
            means["assistance"],
            p["delivery_fee"],
            p["order_value"],
            refund_fee=convention != "no_double_refund",
        ),
        "pedestrian": means["injury_usd"],
        "property": means["property_usd"],
        "repair": c.repair(
            means["assistance"], p["robot_price"], _life_runs(p), p["repair_rate"], p["assistance_rate"]
        ),
    }
    return _total(costs, c.revenue(p["delivery_fee"], means["success"], convention), capex, p, discount=0.0)


def published_capital(capex: Any, p: Parameters) -> float:
    """Return the capital as v2, v5 and v6 count it. [usd]"""
    return c.capital(capex.robot, capex.lidar, capex.gps, capex.data_collection_hours, p["collector_wage"])


def legacy(means: Means, p: Parameters, convention: str, capex: float) -> dict[str, Array]:
    """Charge as v1 does: energy of one hour, and wear of the hardware in proportion to the impulse."""
    zero = np.zeros_like(np.asarray(means["power_kw"], dtype=np.float64))
    hardware = p["robot_price"] + p["compute_price"] + p["camera_price"]
    costs = {
        "electricity": means["power_kw"] * p["delivery_hours"] * p["electricity_price"],
        "service": zero,
        "pedestrian": zero,
        "property": zero,
        "repair": p["wear"] * means["impulse_ns"] * hardware,
    }
    return _total(costs, c.revenue(p["delivery_fee"], means["success"], convention), capex, p, discount=0.0)


def legacy_capital(capex: Any, p: Parameters) -> float:
    """Return hardware and the wear of training, wear * impulse * collision rate * episodes * hardware. [usd]"""
    hardware = capex.robot + capex.compute + capex.camera + capex.lidar + capex.gps
    impulse = capex.training_impulse_ns * capex.training_collision_rate * capex.training_episodes
    return hardware * (1.0 + p["wear"] * impulse)


def per_trip(means: Means, p: Parameters, convention: str, capex: float) -> dict[str, Array]:
    """Charge one trip of `trip_km` as the model `reflexarc` does.

    Injuries, damage and traction energy are rates per km times the trip; assistance is a rate per km, so a
    trip needs it with 1 - exp(-rate * trip); the runs that did not need assistance keep their shares of
    success, spoiled and timeout. Hotel load and supervision are paid for the delivery time.
    """
    km = np.asarray(means["km"], dtype=np.float64)
    if not np.all(km > 0.0):
        raise ConfigError(
            "model reflexarc: the runs cover no distance, so no rate per km exists; use another model"
        )
    trip = p["trip_km"]
    assistance = c.assistance_per_trip(means["assistance"], km, trip)
    moved = 1.0 - np.asarray(means["assistance"], dtype=np.float64)
    rest = np.where(moved > 0.0, (1.0 - assistance) / np.where(moved > 0.0, moved, 1.0), 0.0)
    assistance = np.where(moved > 0.0, assistance, 1.0)
    success, spoiled, timeout = (np.asarray(means[name]) * rest for name in ("success", "spoiled", "timeout"))
    hours, scale = p["delivery_hours"], trip / km
    costs = {
        "electricity": c.electricity_of_energy(
            means["traction_kwh"] * scale,
            p["hotel_load"],
            hours,
            p["electricity_price"],
            p["drive_efficiency"],
        ),
        "service": c.service(
            spoiled,
            timeout,
            assistance,
            p["delivery_fee"],
            p["order_value"],
            refund_fee=convention != "no_double_refund",
        ),
        "pedestrian": means["injury_usd"] * scale,
        "property": means["property_usd"] * scale,
        "repair": c.repair(
            assistance,
            p["robot_price"],
            p["deliveries_per_day"] * c.DAYS_PER_YEAR,
            p["repair_rate"],
            p["assistance_rate"],
        ),
        "operator": c.operator(np.full_like(km, hours), p["operator_wage"], p["robots_per_operator"]),
        "rescue": c.rescue(assistance, p["operator_wage"], p["rescue_hours"]),
    }
    income = c.revenue(p["delivery_fee"], success, convention)
    figures = _total(costs, income, capex, p, discount=p["discount_rate"])
    delivered = np.where(success > 0.0, success, 1.0)
    return figures | {
        "trip_success": success,
        "trip_assistance": assistance,
        "injury_usd_per_km": means["injury_usd"] / km,
        "property_usd_per_km": means["property_usd"] / km,
        "assistance_per_km": means["assistance"] / km,
        "kwh_per_km": means["traction_kwh"] / km,
        "injury_usd_per_hour": means["injury_usd"] / np.maximum(means["hours"], 1e-12),
        "assistance_per_hour": means["assistance"] / np.maximum(means["hours"], 1e-12),
        "usd_per_delivery": np.where(success > 0.0, figures["opex"] / delivered, np.inf),
        "npv": c.present_value(
            capex, figures["margin"], p["deliveries_per_day"], p["discount_rate"], p["robot_life_years"]
        ),
    }


def per_run(means: Means, p: Parameters, convention: str, capex: float) -> dict[str, Array]:
    """Charge runs as they were driven, without scaling to a trip: linear in the runs, so it is also the sum
    of a per-step cost.

    Prices and corrections are those of `per_trip`; hotel load and supervision are paid for the time that the
    run took.
    """
    hours = means["hours"]
    costs = {
        "electricity": c.electricity_of_energy(
            means["traction_kwh"], p["hotel_load"], hours, p["electricity_price"], p["drive_efficiency"]
        ),
        "service": c.service(
            means["spoiled"],
            means["timeout"],
            means["assistance"],
            p["delivery_fee"],
            p["order_value"],
            refund_fee=convention != "no_double_refund",
        ),
        "pedestrian": means["injury_usd"],
        "property": means["property_usd"],
        "repair": c.repair(
            means["assistance"],
            p["robot_price"],
            p["deliveries_per_day"] * c.DAYS_PER_YEAR,
            p["repair_rate"],
            p["assistance_rate"],
        ),
        "operator": c.operator(hours, p["operator_wage"], p["robots_per_operator"]),
        "rescue": c.rescue(means["assistance"], p["operator_wage"], p["rescue_hours"]),
    }
    income = c.revenue(p["delivery_fee"], means["success"], convention)
    return _total(costs, income, capex, p, discount=p["discount_rate"])


def shared_capital(capex: Any, p: Parameters) -> float:
    """Return the capital of one robot that carries its share of the fleet's data collection. [usd]"""
    share = 1.0 / p["fleet_size"]
    return c.capital(
        capex.robot, capex.lidar, capex.gps, capex.data_collection_hours, p["collector_wage"], share
    )


def _life_runs(p: Parameters) -> float:
    return p["robot_life_years"] * c.DAYS_PER_YEAR * p["deliveries_per_day"]


def _total(
    costs: dict[str, Any], income: Any, capex: float, p: Parameters, discount: float
) -> dict[str, Array]:
    arrays = {name: np.asarray(value, dtype=np.float64) for name, value in costs.items()}
    opex = sum(arrays.values(), np.zeros(()))
    margin = income - opex
    days = c.discounted_payback_days(capex, margin, p["deliveries_per_day"], discount)
    return arrays | {
        "opex": opex,
        "revenue": np.asarray(income, dtype=np.float64),
        "margin": margin,
        "bep_runs": np.asarray(c.break_even_runs(capex, margin)),
        "payback_days": np.asarray(days),
        "capex": np.full_like(np.asarray(margin), capex),
    }
