/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What mtlsctl and mtls-authd say to each other: the verbs of authd-control.sock, in the messages
 * ControlRequest, ControlItem, ControlEnd. Both include this; PROTOCOL.md has it in words. Root
 * only: mode 0600, and the peer's uid is checked. Numbers are decimal, times are seconds since
 * 1970. Fields marked ? may be missing; a reader ignores kinds of items and fields that it does not
 * know.
 *
 *	verb		fields of the request	fields of the end
 *	status		-			generation (items: daemon reload worker listener
 *						certificate ca crl counter)
 *	reload		-			generation: of the configuration that is used now,
 *						which was loaded after the request
 *
 * Codes of the end of reload: OK; REFUSED when the new configuration is broken or asks for what
 * needs a restart (the text of the first error, with file and line), FAILED when its workers cannot
 * run; BUSY when the daemon stops. With all but OK nothing was changed. It comes when workers with
 * the new configuration accept and those with the old one do not any more.
 *
 * Items from the daemon:
 *	daemon		version pid started generation config state
 *			(starting|running|draining)
 *	reload		time result (ok|failed) error?: the last reload; absent before the first
 *	worker		slot pid? generation (of its configuration) state
 *			(starting|running|draining|waiting) started? restarts connections
 *			error? (how the one before it ended); waiting: a pause before the next start
 *	listener	address
 *	certificate	file subject not-after: the server's own, as it is in use
 *	ca		name role (user|host) file subject not-after: a row for each anchor
 *	crl		ca file next-update?
 *	counter		name type (counter|gauge|histogram) value help label? label-value?:
 *			a sum over all workers, for counters those that ended included.
 *			One item a sample, those of a family in a row; a histogram has
 *			NAME_bucket with label le, NAME_count, NAME_sum
 */
#ifndef MTLS_CONTROL_AUTHD_H
#define MTLS_CONTROL_AUTHD_H

#include "lib/control/accounts.h" /* MTLS_CONTROL_VERSION */

#define MTLS_AUTHD_VERB_STATUS "status"
#define MTLS_AUTHD_VERB_RELOAD "reload"

#endif
