# SPDX-License-Identifier: Apache-2.0
"""Task policies: what the robot would like to do."""

from reflexarc.policies.base import TaskPolicy as TaskPolicy
from reflexarc.policies.base import make_policy as make_policy
from reflexarc.policies.base import policy_names as policy_names
