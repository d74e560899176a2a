# SPDX-License-Identifier: LGPL-2.1-or-later
sysusersdir = $(prefix)/lib/sysusers.d
dist_sysusers_DATA = %D%/sysusers/mtls.conf

# User mtls-signer may use card readers: mtls-signer-token(8).
polkitrulesdir = $(datadir)/polkit-1/rules.d
dist_polkitrules_DATA = %D%/polkit/50-pam-mtls.rules

confexamplesdir = $(docdir)/examples
dist_confexamples_DATA = %D%/conf/pam_mtls.conf %D%/conf/authd.conf %D%/conf/accountd.conf
bashcompletiondir = $(datadir)/bash-completion/completions
dist_bashcompletion_DATA = %D%/completion/mtlsctl
fishcompletiondir = $(datadir)/fish/vendor_completions.d
dist_fishcompletion_DATA = %D%/completion/mtlsctl.fish
zshcompletiondir = $(datadir)/zsh/vendor-completions
dist_zshcompletion_DATA = %D%/completion/_mtlsctl

systemunitdir = $(prefix)/lib/systemd/system
dist_systemunit_DATA = %D%/systemd/mtls-accountd.socket %D%/systemd/mtls-accountd-authd.socket \
	%D%/systemd/mtls-authd.socket %D%/systemd/mtls-authd-control.socket \
	%D%/systemd/mtls-metrics.timer %D%/systemd/mtls-renew.timer %D%/systemd/mtls-pam-return.timer
nodist_systemunit_DATA = %D%/systemd/mtls-accountd.service %D%/systemd/mtls-authd.service \
	%D%/systemd/mtls-metrics.service %D%/systemd/mtls-renew.service %D%/systemd/mtls-pam-return.service
EXTRA_DIST += %D%/systemd/mtls-accountd.service.in %D%/systemd/mtls-authd.service.in \
	%D%/systemd/mtls-metrics.service.in %D%/systemd/mtls-renew.service.in %D%/systemd/mtls-pam-return.service.in
CLEANFILES += $(nodist_systemunit_DATA)
$(nodist_systemunit_DATA): %D%/systemd/%.service: %D%/systemd/%.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && sed 's|[@]sbindir[@]|$(sbindir)|g; s|[@]mtlsstatedir[@]|$(mtlsstatedir)|g; s|[@]mtlssysconfdir[@]|$(mtlssysconfdir)|g' $(srcdir)/dist/systemd/$*.service.in >$@.tmp && mv $@.tmp $@

# Of persons who want it; enabled by nobody else.
userunitdir = $(prefix)/lib/systemd/user
nodist_userunit_DATA = %D%/systemd/user/mtls-watch-card.service
EXTRA_DIST += %D%/systemd/user/mtls-watch-card.service.in
CLEANFILES += $(nodist_userunit_DATA)
$(nodist_userunit_DATA): %D%/systemd/user/%.service: %D%/systemd/user/%.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && sed 's|[@]sbindir[@]|$(sbindir)|g' $(srcdir)/dist/systemd/user/$*.service.in >$@.tmp && mv $@.tmp $@
