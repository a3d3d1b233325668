# SPDX-License-Identifier: Apache-2.0
"""The reflex arc and its stages."""

from reflexarc.arc.arc import Arc as Arc
from reflexarc.arc.build import build_arc as build_arc
from reflexarc.arc.config import ArcConfig as ArcConfig
from reflexarc.arc.surroundings import walls_from_scan as walls_from_scan
