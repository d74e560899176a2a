# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the end-to-end tests share. Python's standard library only."""
