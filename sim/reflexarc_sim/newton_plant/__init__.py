# SPDX-License-Identifier: Apache-2.0
"""The Newton plant: a scenario's OpenUSD stage, loaded and stepped by Newton; the only room that imports it.

`needs.require_newton` says what to install where Newton is missing; nothing else here can be imported then.
"""
