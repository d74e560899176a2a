# SPDX-License-Identifier: LGPL-2.1-or-later
sbin_PROGRAMS += mtlsctl
mtlsctl_SOURCES = \
	%D%/mtlsctl.c %D%/ctl.h \
	%D%/ctl_account.c %D%/ctl_account.h \
	%D%/ctl_account_export.c \
	%D%/ctl_account_import.c \
	%D%/ctl_account_list.c \
	%D%/ctl_account_status.c \
	%D%/ctl_accounts.c %D%/ctl_accounts.h \
	%D%/ctl_action.c %D%/ctl_action.h \
	%D%/ctl_audit.c %D%/ctl_audit.h %D%/ctl_audit_source.c \
	%D%/ctl_bind.c %D%/ctl_bind.h %D%/ctl_bind_audit.c \
	%D%/ctl_ca.c %D%/ctl_ca.h \
	%D%/ctl_certs.c %D%/ctl_certs.h \
	%D%/ctl_check.c %D%/ctl_check.h \
	%D%/ctl_check_cert.c \
	%D%/ctl_check_certs.c \
	%D%/ctl_check_pam.c \
	%D%/ctl_check_accountd.c \
	%D%/ctl_check_authd.c \
	%D%/ctl_check_accounts.c \
	%D%/ctl_check_rescue.c \
	%D%/ctl_check_sources.c \
	%D%/ctl_check_system.c \
	%D%/ctl_common.c %D%/ctl_common.h \
	%D%/ctl_complete.c %D%/ctl_complete.h \
	%D%/ctl_confirm.c \
	%D%/ctl_credential.c %D%/ctl_credential.h \
	%D%/ctl_daemon.c %D%/ctl_daemon.h \
	%D%/ctl_disable.c \
	%D%/ctl_enable.c %D%/ctl_enable.h \
	%D%/ctl_enable_list.c \
	%D%/ctl_enable_write.c \
	%D%/ctl_enroll.c \
	%D%/ctl_enroll_agent.c %D%/ctl_enroll_agent.h \
	%D%/ctl_enroll_key.c %D%/ctl_enroll_key.h \
	%D%/ctl_explain.c %D%/ctl_explain.h \
	%D%/ctl_explain_account.c \
	%D%/ctl_explain_audit.c \
	%D%/ctl_explain_cert.c \
	%D%/ctl_explain_keys.c %D%/ctl_explain_keys.h \
	%D%/ctl_explain_mapping.c \
	%D%/ctl_explain_report.c \
	%D%/ctl_explain_user.c \
	%D%/ctl_group.c \
	%D%/ctl_handshake.c %D%/ctl_handshake.h \
	%D%/ctl_init.c \
	%D%/ctl_issue.c \
	%D%/ctl_judge.c %D%/ctl_judge.h \
	%D%/ctl_pam_dir.c %D%/ctl_pam_dir.h \
	%D%/ctl_pam_prove.c %D%/ctl_pam_prove.h \
	%D%/ctl_pam_return.c %D%/ctl_pam_return.h \
	%D%/ctl_pam_state.c %D%/ctl_pam_state.h \
	%D%/ctl_pam_trial.c %D%/ctl_pam_trial.h \
	%D%/ctl_person.c %D%/ctl_person.h \
	%D%/ctl_pin.c \
	%D%/ctl_proc.c %D%/ctl_proc.h \
	%D%/ctl_program.c %D%/ctl_program.h \
	%D%/ctl_renew.c %D%/ctl_renew.h \
	%D%/ctl_renew_command.c \
	%D%/ctl_renew_crl.c \
	%D%/ctl_renew_person.c \
	%D%/ctl_renew_server.c \
	%D%/ctl_rescue.c \
	%D%/ctl_json.c %D%/ctl_json.h \
	%D%/ctl_metrics.c \
	%D%/ctl_openmetrics.c %D%/ctl_openmetrics.h \
	%D%/ctl_reload.c \
	%D%/ctl_lookup.c %D%/ctl_lookup.h \
	%D%/ctl_rates.c %D%/ctl_rates.h \
	%D%/ctl_rates_print.c \
	%D%/ctl_screen.c %D%/ctl_screen.h \
	%D%/ctl_snapshot.c %D%/ctl_snapshot.h \
	%D%/ctl_status.c \
	%D%/ctl_status_services.c %D%/ctl_status_services.h \
	%D%/ctl_term.c %D%/ctl_term.h \
	%D%/ctl_text.c %D%/ctl_text.h \
	%D%/ctl_trial.c %D%/ctl_trial.h \
	%D%/ctl_tokens.c %D%/ctl_tokens.h \
	%D%/ctl_top.c \
	%D%/ctl_try.c %D%/ctl_try.h %D%/ctl_try_keys.c \
	%D%/ctl_watch.c %D%/ctl_watch.h \
	%D%/ctl_watch_act.c %D%/ctl_watch_act.h \
	%D%/ctl_watch_card.c \
	%D%/ctl_watch_scan.c %D%/ctl_watch_scan.h \
	%D%/ctl_words.c %D%/ctl_words.h \
	%D%/ctl_x509.c %D%/ctl_x509.h \
	%D%/ctl_x509_again.c \
	%D%/ctl_x509_forms.c
mtlsctl_LDADD = \
	$(LIBMTLS_CLIENT) libmtls_signer_core.la libmtls_signer_leaf.la libmtls_signer_serve.la $(LIBMTLS_TLS_CONTENT) $(LIBMTLS_SIGNER_CLIENT) $(LIBMTLS_SIGNER_START) \
	$(LIBMTLS_AUDIT) $(LIBMTLS_MAPPING) $(LIBMTLS_TRUST) \
	$(LIBMTLS_VERIFY) $(LIBMTLS_ACCTDB) $(LIBMTLS_CERT) $(LIBMTLS_CONF) $(LIBMTLS_TLS) \
	$(LIBMTLS_CONTROL) $(LIBMTLS_PAMSTACK) $(LIBMTLS_RESCUE) $(LIBMTLS_ROSTER) $(LIBMTLS_WIRE) \
	$(LIBMTLS_NAME) $(LIBMTLS_SERVICE) $(LIBMTLS_TOKEN) $(LIBMTLS_AGENT) $(GNUTLS_LIBS) $(NETTLE_LIBS) $(JANSSON_LIBS) $(PAM_LIBS) $(LIBMTLS_BASE)

TESTS += tests/tools/test_documents.sh tests/tools/test_mtlsctl.sh tests/tools/test_issue_home.sh tests/tools/test_units.sh tests/tools/test_manpages.py \
	tests/tools/test_polkit.sh
EXTRA_DIST += tests/tools/accountd.sh tests/tools/rename_in_snapshot.py
EXTRA_DIST += \
	tests/tools/ask.py \
	tests/tools/broken.8 \
	tests/tools/fake_daemon.py \
	tests/tools/findings.elsewhere \
	tests/tools/findings.py \
	tests/tools/openmetrics.py \
	tests/tools/tap.sh \
	tests/tools/test_accounts.py \
	tests/tools/test_check.sh \
	tests/tools/test_documents.sh \
	tests/tools/test_issue_home.sh \
	tests/tools/test_manpages.py \
	tests/tools/test_mtlsctl.sh \
	tests/tools/test_polkit.sh \
	tests/tools/test_status.py \
	tests/tools/test_try.sh \
	tests/tools/test_units.sh

# They need the folder that the state folder lies in.
if E2E
TESTS += tests/tools/test_accounts.py tests/tools/test_status.py tests/tools/test_check.sh tests/tools/test_try.sh
endif

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_ctl_person
TESTS += tests/unit/test_ctl_person
tests_unit_test_ctl_person_SOURCES = tests/unit/test_ctl_person.c tools/ctl_person.c tools/ctl_person.h
tests_unit_test_ctl_person_LDADD = $(LIBMTLS_BASE) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test_ctl_tokens
TESTS += tests/unit/test_ctl_tokens
tests_unit_test_ctl_tokens_SOURCES = tests/unit/test_ctl_tokens.c \
	tools/ctl_tokens.c tools/ctl_tokens.h tools/ctl_watch_scan.c tools/ctl_watch_scan.h \
	tools/ctl_common.c tools/ctl_common.h tools/ctl_person.c tools/ctl_person.h tools/ctl_term.c tools/ctl_term.h
tests_unit_test_ctl_tokens_LDADD = $(LIBMTLS_TOKEN) $(LIBMTLS_CONF) $(LIBMTLS_NAME) $(LIBMTLS_WIRE) $(JANSSON_LIBS) $(LIBMTLS_BASE) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test_ctl_watch
TESTS += tests/unit/test_ctl_watch
tests_unit_test_ctl_watch_SOURCES = tests/unit/test_ctl_watch.c tools/ctl_watch.c tools/ctl_watch.h
tests_unit_test_ctl_watch_LDADD = $(LIBMTLS_BASE) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test_term
TESTS += tests/unit/test_term
tests_unit_test_term_SOURCES = tests/unit/test_term.c tools/ctl_term.c tools/ctl_term.h
tests_unit_test_term_LDADD = $(LIBMTLS_BASE) $(CMOCKA_LIBS)
endif
