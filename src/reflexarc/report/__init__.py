# SPDX-License-Identifier: Apache-2.0
"""What a run leaves behind: recordings, logs, replays and the HTML report."""
