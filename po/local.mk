# SPDX-License-Identifier: LGPL-2.1-or-later
# Translations of what pam_mtls says. A language is a file po/xx.po, a word in LANGUAGES, and a block
# of two lines; HACKING.md, "Texts".
LANGUAGES = de
EXTRA_DIST += $(LANGUAGES:%=%D%/%.po)

if HAVE_MSGFMT
demodir = $(localedir)/de/LC_MESSAGES
nodist_demo_DATA = %D%/de/pam-mtls.mo
CLEANFILES += $(LANGUAGES:%=%D%/%/pam-mtls.mo)
$(LANGUAGES:%=%D%/%/pam-mtls.mo): %D%/%/pam-mtls.mo: %D%/%.po
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(MSGFMT) --check-format --check-domain -o $@ $<
endif

TESTS += tests/tools/test_translations.py
EXTRA_DIST += tests/tools/test_translations.py
