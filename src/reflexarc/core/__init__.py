# SPDX-License-Identifier: Apache-2.0
"""Types, errors and tables that every room shares."""
