# SPDX-License-Identifier: Apache-2.0
"""The one table of attributes that no schema of `usd-core` declares: our own, and those of PhysX, Newton and MuJoCo.

The vendors' schemas are not installed with `usd-core`. Their attributes are written by the documented name and type,
and the schema's name goes into `apiSchemas`; an engine that has the schema finds them, another leaves them alone.
"""

# OpenUSD is a compiled module without stubs:
# pyright: reportAttributeAccessIssue=false

from typing import Any, NamedTuple

from pxr import Sdf, Usd

PREFIX = "reflexarc:"
"""Namespace of our own attributes."""


class Own(NamedTuple):
    """An attribute of our own."""

    type: Sdf.ValueTypeName
    unit: str
    meaning: str


_STRING, _DOUBLE, _INT = Sdf.ValueTypeNames.String, Sdf.ValueTypeNames.Double, Sdf.ValueTypeNames.Int
OWN = {
    "name": Own(_STRING, "", "name in MuJoCo's model"),
    "names": Own(Sdf.ValueTypeNames.StringArray, "", "names of several joints that became one"),
    "kind": Own(_STRING, "", "robot, pedestrian or object; on the prim above the bodies"),
    "added": Own(
        Sdf.ValueTypeNames.Bool,
        "",
        "has no counterpart in MuJoCo's model: the base that a fixed robot stands on",
    ),
    "group": Own(_INT, "", "MuJoCo's group of a shape, which cameras and lidar rays select by"),
    "shape": Own(_STRING, "", "MuJoCo's type of a shape that became a mesh: ellipsoid, mesh, hfield"),
    "semiAxes": Own(Sdf.ValueTypeNames.Double3, "m", "semi-axes of an ellipsoid that became a mesh"),
    "actuators": Own(
        Sdf.ValueTypeNames.StringArray, "", "names of the actuators that the joint's drives stand for"
    ),
    "actuatorAxes": Own(Sdf.ValueTypeNames.StringArray, "", "of each, the drive"),
    "actuatorTypes": Own(
        Sdf.ValueTypeNames.StringArray,
        "",
        "of each: motor (told an effort), position or velocity (told a target)",
    ),
    "actuatorGears": Own(Sdf.ValueTypeNames.DoubleArray, "", "of each, its length per joint coordinate"),
    "controlRanges": Own(
        Sdf.ValueTypeNames.Double2Array,
        "of the control",
        "of each, least and largest control, infinite where not limited",
    ),
    "sensors": Own(Sdf.ValueTypeNames.StringArray, "", "MuJoCo's sensors here, each `type name`"),
    "sensor": Own(
        _STRING, "", "kind of sensor that is mounted here: lidar, tracker, odometry, wrench, state"
    ),
    "rate": Own(_DOUBLE, "Hz", "measurements per second"),
    "latency": Own(_DOUBLE, "s", "from measurement to delivery"),
    "rays": Own(_INT, "", "rays per turn of a lidar"),
    "rangeMin": Own(_DOUBLE, "m", "nearest distance reported"),
    "rangeMax": Own(_DOUBLE, "m", "farthest distance reported"),
    "rangeStd": Own(_DOUBLE, "m", "standard deviation of a range"),
    "positionStd": Own(_DOUBLE, "m", "standard deviation of a position, per coordinate"),
    "velocityStd": Own(_DOUBLE, "m/s", "standard deviation of a velocity, per coordinate"),
    "yawStd": Own(_DOUBLE, "rad", "standard deviation of yaw"),
    "twistStd": Own(_DOUBLE, "m/s, rad/s", "standard deviation of both velocities"),
    "forceStd": Own(_DOUBLE, "N", "standard deviation of a force, per axis"),
    "torqueStd": Own(_DOUBLE, "N m", "standard deviation of a torque, per axis"),
    "forceBias": Own(_DOUBLE, "N", "standard deviation of the force's bias, drawn once a run"),
    "frame": Own(_STRING, "", "in whose axes a sensor reports"),
}
"""Name after the namespace -> type, unit, meaning."""


class Vendor(NamedTuple):
    """An attribute of an engine's schema."""

    schema: str
    type: Sdf.ValueTypeName
    unit: str
    source: str
    uniform: bool = False


_PHYSX = "Omniverse physics schema 107.3: docs.omniverse.nvidia.com/kit/docs/omni_usd_schema_physics"
_AXIS = "docs.omniverse.nvidia.com/kit/docs/omni_physics: PhysX joint schema, PhysxJointAxisAPI"
_NEWTON = "github.com/newton-physics/newton-usd-schemas, generatedSchema.usda"
_NEWTON_JOINT = "NVIDIA SimReady Foundation, NEWTON.DJ.002 (Newton joint attributes)"
_MUJOCO = "github.com/google-deepmind/mujoco, src/experimental/usd/mjcPhysics"
_FLOAT, _DOUBLES = Sdf.ValueTypeNames.Float, Sdf.ValueTypeNames.DoubleArray
VENDOR = {
    "physxScene:timeStepsPerSecond": Vendor("PhysxSceneAPI", Sdf.ValueTypeNames.UInt, "Hz", _PHYSX),
    "physxArticulation:enabledSelfCollisions": Vendor(
        "PhysxArticulationAPI", Sdf.ValueTypeNames.Bool, "", _PHYSX
    ),
    "physxJoint:armature": Vendor("PhysxJointAPI", _FLOAT, "kg or kg m^2", _PHYSX),
    "physxJointAxis:{}:staticFrictionEffort": Vendor("PhysxJointAxisAPI:{}", _FLOAT, "N or N m", _AXIS),
    "physxJointAxis:{}:dynamicFrictionEffort": Vendor("PhysxJointAxisAPI:{}", _FLOAT, "N or N m", _AXIS),
    "physxJointAxis:{}:viscousFrictionCoefficient": Vendor(
        "PhysxJointAxisAPI:{}", _FLOAT, "N s/m or N m s/deg", _AXIS
    ),
    "physxMaterial:frictionCombineMode": Vendor(
        "PhysxMaterialAPI", Sdf.ValueTypeNames.Token, "average, min, multiply or max", _PHYSX
    ),
    "state:{}:physics:position": Vendor("PhysicsJointStateAPI:{}", _FLOAT, "m or deg", _PHYSX),
    "newton:timeStepsPerSecond": Vendor("NewtonSceneAPI", _INT, "Hz", _NEWTON, uniform=True),
    "newton:armature": Vendor("NewtonJointAPI", _FLOAT, "kg or kg m^2", _NEWTON_JOINT),
    "newton:friction": Vendor("NewtonJointAPI", _FLOAT, "N or N m", _NEWTON_JOINT),
    "newton:damping": Vendor("NewtonJointAPI", _FLOAT, "N s/m or N m s/deg", _NEWTON_JOINT),
    "newton:torsionalFriction": Vendor("NewtonMaterialAPI", _FLOAT, "", _NEWTON),
    "newton:rollingFriction": Vendor("NewtonMaterialAPI", _FLOAT, "", _NEWTON),
    "mjc:condim": Vendor("MjcCollisionAPI", _INT, "", _MUJOCO, uniform=True),
    "mjc:priority": Vendor("MjcCollisionAPI", _INT, "", _MUJOCO, uniform=True),
    "mjc:solref": Vendor("MjcCollisionAPI", _DOUBLES, "as in MuJoCo", _MUJOCO, uniform=True),
    "mjc:solimp": Vendor("MjcCollisionAPI", _DOUBLES, "as in MuJoCo", _MUJOCO, uniform=True),
    "mjc:margin": Vendor("MjcCollisionAPI", _DOUBLE, "m", _MUJOCO, uniform=True),
    "mjc:gap": Vendor("MjcCollisionAPI", _DOUBLE, "m", _MUJOCO, uniform=True),
}
"""Name -> schema, type, unit, source; `{}` stands for the axis of a schema that is applied once per axis."""


def set_own(prim: Usd.Prim, name: str, value: Any) -> None:
    """Write an attribute of our own namespace; it must be in `OWN`."""
    prim.CreateAttribute(PREFIX + name, OWN[name].type, custom=True).Set(value)


def set_vendor(prim: Usd.Prim, name: str, value: Any, axis: str = "") -> None:
    """Write an attribute of an engine's schema and name the schema; it must be in `VENDOR`."""
    entry = VENDOR[name]
    schema = entry.schema.format(axis)
    if schema not in prim.GetPrimTypeInfo().GetAppliedAPISchemas():
        prim.AddAppliedSchema(schema)
    variability = Sdf.VariabilityUniform if entry.uniform else Sdf.VariabilityVarying
    prim.CreateAttribute(name.format(axis), entry.type, custom=False, variability=variability).Set(value)
