# SPDX-License-Identifier: Apache-2.0
"""Dollars per run: cost models, statements with uncertainty, and what would have to change to break even."""

from reflexarc.economics.decisions import break_even as break_even
from reflexarc.economics.decisions import compare as compare
from reflexarc.economics.decisions import ranking as ranking
from reflexarc.economics.decisions import tornado as tornado
from reflexarc.economics.episodes import Episodes as Episodes
from reflexarc.economics.models import MODELS as MODELS
from reflexarc.economics.models import Capex as Capex
from reflexarc.economics.models import CostModel as CostModel
from reflexarc.economics.models import cost_model as cost_model
from reflexarc.economics.statement import Statement as Statement
from reflexarc.economics.statement import state_episodes as state_episodes
from reflexarc.economics.statement import state_summary as state_summary
