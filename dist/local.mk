# SPDX-License-Identifier: LGPL-2.1-or-later
sysusersdir = $(prefix)/lib/sysusers.d
dist_sysusers_DATA = %D%/sysusers/mtls.conf
