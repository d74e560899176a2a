# SPDX-License-Identifier: LGPL-2.1-or-later
# Pages of programs stand in their folders' local.mk.
dist_doc_DATA = %D%/setup-card.md %D%/setup-sudo.md %D%/setup-workstation.md
dist_man_MANS += %D%/mtlsctl.8 %D%/pam_mtls.conf.5 %D%/authd.conf.5 %D%/accountd.conf.5
