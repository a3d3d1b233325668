# SPDX-License-Identifier: Apache-2.0
"""Scenarios as OpenUSD stages, made from the compiled MuJoCo model of the plant; docs/usd.md says what becomes what.

This room alone imports OpenUSD (`pxr`), which is an optional package; `needs` says what to install. `source` and
`needs` do without it.
"""
