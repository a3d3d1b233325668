# SPDX-License-Identifier: Apache-2.0
"""The parameter tables of the cost models, every value with its source.

The published ones are those of CostNav (arXiv:2511.20216): `v1` of 2025-11, `v2` of 2026-02, `v5` of 2026-03
and `v6` of 2026. Sources are given as the authors give them; "cost model page" is docs/cost_model.md of
their repository (github.com/worv-ai/CostNav, 144b293). Prices in US dollars.
"""

from reflexarc.economics.parameters import Known, Parameter, Parameters

PROPERTY = (
    "mailbox",
    "trash_bin",
    "building_glass",
    "bollard",
    "fire_hydrant",
    "traffic_light",
    "street_lamp",
    "bus_stop",
    "newspaper_box",
)
"""Classes of property; the first four are priced by the published models, the others only by `reflexarc`."""
PUBLISHED_PROPERTY = PROPERTY[:4]
LEVELS = 7
"""MAIS 0 to 5, and fatal."""

_P, _C, _I, _E = Known.PRINTED, Known.CODE, Known.INFERRED, Known.ESTIMATE
_PAGE = "CostNav cost model page"
_DASHBOARD = "CostNav branch feat/semantic_navigation, mission_config.yaml, cost_model"

_BUSINESS = (
    Parameter("robot_price", 8000.0, "usd", f"{_PAGE}: Segway E1, multirotors.store", _P),
    Parameter("lidar_price", 3000.0, "usd", f"{_PAGE}: Livox lidar", _P),
    Parameter("gps_price", 2000.0, "usd", f"{_PAGE}: RTK and IMU", _P),
    Parameter("collector_wage", 33.0, "usd/h", f"{_PAGE}: Salary.com", _P),
    Parameter(
        "data_collection_hours",
        65.63,
        "h",
        f"{_PAGE}; the data set's own page says 50.2 h",
        _P,
        50.2,
        65.63,
        "both printed by the authors",
    ),
    Parameter("electricity_price", 0.2704, "usd/kWh", f"{_PAGE}: US EIA, Nov 2025", _P),
    Parameter(
        "drive_efficiency",
        0.95 * 0.82 * 0.99 * 0.95,
        "1",
        f"{_PAGE}: battery 0.95, motor 0.82, inverter 0.99, charger 0.95; printed rounded as 0.73",
        _I,
        0.7266,
        0.7326495,
        "dashboard configuration; product of the printed factors",
    ),
    Parameter(
        "delivery_hours",
        0.3667,
        "h",
        f"{_PAGE}: Starship, 22 min; longest allowed 1 h",
        _P,
        0.3667,
        1.0,
        f"{_PAGE}: mean and longest delivery time",
    ),
    Parameter("delivery_fee", 3.49, "usd", f"{_PAGE}: USC Grubhub and Starship", _P),
    Parameter("order_value", 35.42, "usd", f"{_PAGE}: The Restaurant HQ, food and fee", _P),
    Parameter("robot_life_years", 2.0, "a", f"{_PAGE}: Serve Robotics 10-Q", _P),
    Parameter("deliveries_per_day", 25.0, "1/d", f"{_PAGE}: Serve Robotics 10-K FY2023", _P),
    Parameter(
        "repair_rate",
        0.15,
        "1/a",
        f"{_PAGE}: 10 to 20 % a year (igus, Lucasware, Standard Bots); "
        "the split of repair_rate / assistance_rate = 75 is inferred",
        _I,
        0.10,
        0.20,
        f"{_PAGE}: printed range",
    ),
    Parameter(
        "assistance_rate",
        0.002,
        "1",
        "not printed; repair_rate / assistance_rate = 75 follows from all seven "
        "columns; 0.002 from CostNav docs/deprecated: Serve, 99.8 % reliability",
        _I,
    ),
    Parameter("rolling_force", 18.179, "N", "CostNav scripts/eval.sh, ROLLING_RESISTANCE_FORCE", _C),
)
_PROPERTY = (
    Parameter("mailbox_price", 50.0, "usd", f"{_PAGE}: Town of Wrentham MA", _P),
    Parameter("trash_bin_price", 50.0, "usd", f"{_PAGE}: City of Hot Springs", _P),
    Parameter("building_glass_price", 300.0, "usd", f"{_PAGE}: Wittenberg University damage schedule", _P),
    Parameter("bollard_price", 65.0, "usd", f"{_PAGE}: We Are Bollards", _P),
)
_MORE_PROPERTY = (
    Parameter("fire_hydrant_price", 12500.0, "usd", _DASHBOARD, _C),
    Parameter("traffic_light_price", 5423.0, "usd", _DASHBOARD, _C),
    Parameter("street_lamp_price", 4000.0, "usd", _DASHBOARD, _C),
    Parameter("bus_stop_price", 300.0, "usd", _DASHBOARD, _C),
    Parameter("newspaper_box_price", 50.0, "usd", _DASHBOARD, _C),
)
_AAAM = "CostNav mission_config.yaml, injury.costs; cited to AAAM AIS 2015 and NHTSA DOT HS 813 403"
_INJURY_COSTS = tuple(
    Parameter(f"injury_cost_{name}", cost, "usd", _AAAM, _C)
    for name, cost in zip(
        ("0", "1", "2", "3", "4", "5", "fatal"), (380, 8487, 60464, 261200, 0, 0, 0), strict=True
    )
)
_EXTRACTION = (
    Parameter("robot_mass", 50.0, "kg", "CostNav evaluation page: Segway E1", _P),
    Parameter(
        "injury_adjustment",
        0.0110,
        "1",
        "CostNav injury.py, K; about 50 kg / 4536 kg",
        _C,
        0.0110,
        50.0 / 4536.0,
        "code; cost model page, 10,000 lb vehicle",
    ),
    Parameter("contact_impulse", 50.0, "N s", "CostNav metrics.py: a contact below this does not count", _C),
    Parameter("property_impulse", 100.0, "N s", "CostNav metrics.py: property below this is not damaged", _C),
    Parameter("health_impulse", 177.8, "N s", "CostNav mission manager: impulse that ends a mission", _C),
)

V5 = Parameters((*_BUSINESS, *_PROPERTY, *_INJURY_COSTS, *_EXTRACTION))

V1 = Parameters(
    (
        Parameter("robot_price", 8600.0, "usd", "CostNav v1 paper: COCO", _P),
        Parameter("compute_price", 2389.0, "usd", "CostNav v1 paper: Jetson Orin", _P),
        Parameter("camera_price", 600.0, "usd", "CostNav v1 paper: two RealSense at 300", _P),
        Parameter("wear", 1e-5, "1/(N s)", "CostNav v1 paper: share of the hardware per impulse", _P),
        Parameter("electricity_price", 0.20, "usd/kWh", "CostNav v1 paper", _P),
        Parameter("delivery_hours", 1.0, "h", "CostNav v1 paper", _P),
        Parameter("delivery_fee", 3.49, "usd", "CostNav v1 paper", _P),
        Parameter(
            "deliveries_per_day", 25.0, "1/d", f"{_PAGE}: Serve Robotics 10-K FY2023; v1 names no number", _I
        ),
        Parameter("robot_life_years", 2.0, "a", f"{_PAGE}: Serve Robotics 10-Q; v1 names no number", _I),
    )
)

_TS = "ISO/TS 15066:2016 Annex A"
REFLEXARC = Parameters(
    (
        *(p for p in _BUSINESS if p.name != "rolling_force"),
        Parameter(
            "rolling_force", 18.179, "N", "CostNav scripts/eval.sh; only where energy was not measured", _C
        ),
        *_PROPERTY,
        *_MORE_PROPERTY,
        *(p for p in _INJURY_COSTS if p.name[-1] in "0123"),
        Parameter(
            "injury_cost_4", 261200.0, "usd", "lower bound: at least that of MAIS 3; CostNav prices it 0", _E
        ),
        Parameter(
            "injury_cost_5", 261200.0, "usd", "lower bound: at least that of MAIS 3; CostNav prices it 0", _E
        ),
        Parameter(
            "injury_cost_fatal",
            261200.0,
            "usd",
            "lower bound: at least that of MAIS 3; CostNav prices it 0",
            _E,
        ),
        *(p for p in _EXTRACTION if p.name not in ("injury_adjustment", "contact_impulse")),
        Parameter(
            "contact_impulse",
            50.0,
            "N s",
            "CostNav metrics.py: below this no part of the impulse health; priced all the same",
            _C,
        ),
        Parameter(
            "injury_adjustment",
            1.0,
            "1",
            "1: the pedestrian's own change of velocity is used, so no mass ratio; lower end: CostNav's K",
            _E,
            0.011,
            1.0,
            "CostNav injury.py; no adjustment",
        ),
        Parameter(
            "pedestrian_mass",
            75.0,
            "kg",
            f"{_TS}: effective mass of thigh and lower leg",
            _P,
            40.0,
            75.0,
            f"{_TS}: effective mass of the trunk",
        ),
        Parameter(
            "contact_force_limit",
            260.0,
            "N",
            f"{_TS}: lower leg, transient = 2 x 130 N quasi-static",
            _P,
            220.0,
            440.0,
            f"{_TS}: abdomen to thigh, transient",
        ),
        Parameter(
            "contact_stiffness",
            60000.0,
            "N/m",
            f"{_TS}: lower leg, 60 N/mm",
            _P,
            10000.0,
            60000.0,
            f"{_TS}: abdomen to lower leg",
        ),
        Parameter(
            "trip_km",
            4.0,
            "km",
            f"{_PAGE}: Serve, mean distance; largest 6 km",
            _P,
            0.05,
            6.0,
            "what CostNav simulates, to its printed largest distance",
        ),
        Parameter(
            "hotel_load",
            0.06,
            "kW",
            "computer and sensors; a Jetson Orin class computer of at most 60 W",
            _E,
            0.02,
            0.12,
            "estimate",
        ),
        Parameter("operator_wage", 24.0, "usd/h", f"{_PAGE}, listed there but used in no formula", _P),
        Parameter(
            "robots_per_operator",
            4.0,
            "1",
            f"{_PAGE}, listed there but used in no formula",
            _P,
            1.0,
            20.0,
            "estimate",
        ),
        Parameter(
            "rescue_hours",
            1.0,
            "h",
            "field worker there and back, per physical assistance",
            _E,
            0.25,
            2.0,
            "estimate",
        ),
        Parameter(
            "fleet_size",
            100.0,
            "1",
            "robots that share one collection of training data",
            _E,
            1.0,
            2000.0,
            "estimate",
        ),
        Parameter(
            "standing_liability",
            0.0,
            "1",
            "share of the cost when somebody walks into a standing robot",
            _E,
            0.0,
            1.0,
            "none to all",
        ),
        Parameter(
            "glass_share",
            1.0,
            "1",
            "share of building contacts that hit glass; CostNav prices every wall as glass",
            _E,
            0.0,
            1.0,
            "none to all",
        ),
        Parameter("discount_rate", 0.08, "1/a", "cost of capital, continuous", _E, 0.0, 0.15, "estimate"),
    )
)
