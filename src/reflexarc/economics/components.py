# SPDX-License-Identifier: Apache-2.0
"""The formulas of a cost statement as pure functions; arguments are numbers or arrays of resamples, results
in usd per run.

Formulas and symbols of the published ones: CostNav (arXiv:2511.20216), docs/cost_model.md.
"""

import math

import numpy as np
import numpy.typing as npt

Number = npt.NDArray[np.float64] | float

DAYS_PER_YEAR = 365.0
HOURS_PER_YEAR = 8760.0


def capital(
    robot: float, lidar: float, gps: float, collection_hours: float, collector_wage: float, share: float = 1.0
) -> float:
    """C_capex = robot + lidar + gps + share * wage * hours. [usd]

    Args:
        robot: price of the bare robot. [usd]
        lidar: 0 where there is none. [usd]
        gps: 0 where there is none. [usd]
        collection_hours: hours of teleoperation for the training data; 0 for a method that learns nothing.
            [h]
        collector_wage: [usd/h]
        share: part of the collection that this robot carries; 1 as published, 1 / fleet size in `reflexarc`.
    """
    return robot + lidar + gps + share * collector_wage * collection_hours


def electricity(power: Number, price: float, efficiency: float, hours: float) -> Number:
    """C_elec = price * (power / efficiency) * hours, with the mean mechanical power [kW] and the delivery
    time [h].
    """
    return price * power / efficiency * hours


def electricity_of_energy(
    traction_kwh: Number, hotel_kw: float, hours: Number, price: float, efficiency: float
) -> Number:
    """Price of the energy drawn: traction at the wheels through the drive train, hotel load from the
    battery. [usd]

    The charger and the battery's round trip are counted for both by dividing by the same efficiency, which
    is pessimistic for the hotel load: it does not pass the motor.
    """
    return price * (traction_kwh + hotel_kw * hours) / efficiency


def service(
    spoiled: Number,
    timeout: Number,
    assistance: Number,
    fee: float,
    order_value: float,
    refund_fee: bool = True,
) -> Number:
    """C_service = spoiled * food + (timeout + assistance) * fee, with food = order value - fee.

    Args:
        spoiled: share of runs that arrived with spoiled food.
        timeout: share of runs that were too late.
        assistance: share of runs that needed physical assistance.
        fee: delivery fee. [usd]
        order_value: food and fee. [usd]
        refund_fee: False where the fee was never booked as revenue.
    """
    return spoiled * (order_value - fee) + (timeout + assistance) * (fee if refund_fee else 0.0)


def repair(
    assistance: Number, robot_price: float, runs: float, repair_rate: float, assistance_rate: float
) -> Number:
    """C_repair = robot_price / runs * repair_rate * (assistance / assistance_rate).

    `runs` is the number of runs in the robot's life as published (18,250), which divides an annual rate by
    two years, or in one year (9,125) in `reflexarc`.
    """
    return robot_price / runs * repair_rate * assistance / assistance_rate


def operator(hours: Number, wage: float, robots_per_operator: float) -> Number:
    """Supervision: wage / robots per operator, for the time [h] of a run."""
    return wage / robots_per_operator * hours


def rescue(assistance: Number, wage: float, hours: float) -> Number:
    """Somebody goes out to a robot that cannot go on: wage [usd/h] times `hours` [h] per assistance."""
    return wage * hours * assistance


def revenue(fee: float, success: Number, convention: str) -> Number:
    """Fee booked for every run (`gross`), or only for a success (`sla_scaled`, `no_double_refund`)."""
    return fee * (np.ones_like(success) if convention == "gross" else success)


def break_even_runs(capex: float, margin: Number) -> Number:
    """Runs after which the margin has paid for the capital; inf where the margin is not positive."""
    margin = np.asarray(margin, dtype=np.float64)
    return np.where(margin > 0.0, capex / np.where(margin > 0.0, margin, 1.0), np.inf)


def discounted_payback_days(capex: float, margin: Number, runs_per_day: float, rate: float) -> Number:
    """Days until the discounted margins equal the capital; inf if they never do.

    With the cash flow m = margin * runs per day and the continuous rate r per day, integral of m exp(-r t) =
    capex gives t = -ln(1 - capex r / m) / r; for r = 0, t = capex / m.

    Args:
        capex: [usd]
        margin: [usd/run]
        runs_per_day: [1/d]
        rate: continuous discount rate. [1/a]
    """
    flow = np.asarray(margin, dtype=np.float64) * runs_per_day
    r = rate / DAYS_PER_YEAR
    share = np.where(flow > 0.0, capex / np.where(flow > 0.0, flow, 1.0), np.inf)
    if r == 0.0:
        return share
    left = 1.0 - share * r
    return np.where(left > 0.0, -np.log(np.where(left > 0.0, left, 1.0)) / r, np.inf)


def present_value(capex: float, margin: Number, runs_per_day: float, rate: float, years: float) -> Number:
    """Net present value of one robot over its life [usd]: the discounted margins less the capital."""
    factor = years if rate == 0.0 else -math.expm1(-rate * years) / rate
    return np.asarray(margin, dtype=np.float64) * runs_per_day * DAYS_PER_YEAR * factor - capex


def assistance_per_trip(assistance: Number, km: Number, trip_km: float) -> Number:
    """Probability that a trip of `trip_km` needs assistance at the observed rate per km, 1 - exp(-rate *
    trip).

    Args:
        assistance: mean number per observed run.
        km: mean distance of an observed run. [km]
        trip_km: length of the trip that earns the fee. [km]
    """
    return 1.0 - np.exp(-np.asarray(assistance) / np.asarray(km) * trip_km)
