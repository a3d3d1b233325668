# SPDX-License-Identifier: Apache-2.0
"""Thin ROS 2 nodes: each converts messages, calls the library and publishes what it returns."""
