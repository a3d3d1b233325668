# SPDX-License-Identifier: Apache-2.0
"""ReflexArc: a safety layer under learned robot policies.

`reflexarc.arc` holds the arc itself; `reflexarc.core` the types that flow through it. This package imports no ROS.
"""
