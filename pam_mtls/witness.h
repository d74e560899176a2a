/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * While a change of a service file waits for its confirmation, `mtlsctl enable` has a file in
 * WITNESS_FOLDER that is named like the service. Who enters by certificate is noted there, because
 * a change may only be confirmed by somebody who has entered through it.
 */
#ifndef PAM_MTLS_WITNESS_H
#define PAM_MTLS_WITNESS_H

#define WITNESS_FOLDER MTLS_RUNDIR "/entries"

/*
 * Adds a line, "PID MILLISECONDS USER" (CLOCK_BOOTTIME), if there is such a file and this process
 * may write to it. It is never made, and nothing depends on it but the confirmation.
 */
void witness_note(const char *service, const char *user);

#endif
