#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# One login beside pam_permit, pam_unix, pam_ssh_agent_auth, pam_p11 and the in-memory handshake.
exec "${PYTHON3:-python3}" -B "$top_srcdir/bench/login.py" "$@"
