/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What encoder and decoder of the header share. */
#ifndef MTLS_ACCTDB_RECORD_IMPL_H
#define MTLS_ACCTDB_RECORD_IMPL_H

#define MTLS_ACCT_MAGIC     "MTLSACCT"
#define MTLS_ACCT_MAGIC_LEN 8

#endif
