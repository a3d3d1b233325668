# SPDX-License-Identifier: Apache-2.0
"""What the stack may promise, and on which evidence."""
