# SPDX-License-Identifier: LGPL-2.1-or-later
sysusersdir = $(prefix)/lib/sysusers.d
dist_sysusers_DATA = %D%/sysusers/mtls.conf

confexamplesdir = $(docdir)/examples
dist_confexamples_DATA = %D%/conf/pam_mtls.conf %D%/conf/authd.conf %D%/conf/accountd.conf
bashcompletiondir = $(datadir)/bash-completion/completions
dist_bashcompletion_DATA = %D%/completion/mtlsctl
