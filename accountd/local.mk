# SPDX-License-Identifier: LGPL-2.1-or-later
include %D%/store.mk
include %D%/source_files.mk
