# SPDX-License-Identifier: Apache-2.0
"""Linear systems, of which the worst disturbance and the least attainable gain are known without learning."""
