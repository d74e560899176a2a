/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What mtlsctl and mtls-accountd say to each other: the verbs of accountd-control.sock, in the
 * messages ControlRequest, ControlItem, ControlEnd. Both include this; PROTOCOL.md has it in words.
 *
 * A change is acknowledged when it is stored for good *and* published: then every process sees it.
 * All but status, bind-list and publish take `dry-run` = "yes": all checks, nothing is changed.
 *Fields marked ? may be missing. Ends of changes have `generation`.
 *
 *	verb		fields of the request		fields of the end
 *	status		-				- (items: status source conflict dropped)
 *	user-add	name home shell gecos?		name uid gid home shell former-uid?
 *			uid? gid? groups?
 *	user-change	name gecos? home? shell?	name
 *			join? leave?
 *	user-remove	name				name uid
 *	group-add	name gid?			name gid
 *	group-remove	name				name gid
 *	bind-add	key name			key name
 *	bind-remove	key name			key name
 *	bind-list	name				- (items: binding)
 *	import		keep-ids? ("MIN-MAX")		users groups renumbered (items: renumbered)
 *	publish		-				-
 *
 * groups, join, leave: names with ',' between them; one to join that does not exist is made. gid:
 *of an existing group; without it the account has a private group. After an import come items and
 *an end: code 0 to go on, another to take it back.
 *
 * Items from the daemon:
 *	status		generation published users groups bindings tombstones next-uid next-gid
 *			publisher (running|stopped) error? (why the last publish failed) store
 *	source		name users groups state (good|broken|gone) error?
 *	conflict	source line text
 *	dropped		text: what the publisher left out of the snapshot, and why
 *	binding		key holds (yes|no: it was bound to another account of this name) owner
 *			(its uid here when it was bound; 0: an account of another system)
 *	renumbered	kind (user|group) name old new
 * Items to the daemon (import):
 *	user		name uid? gid? gecos? home? shell? groups?
 *	group		name gid? members? (names with ',' between them; several items of one group
 *			add up)
 *
 * accountd-authd.sock, for mtls-authd: status only, without items of other kinds than `status`.
 */
#ifndef MTLS_CONTROL_ACCOUNTS_H
#define MTLS_CONTROL_ACCOUNTS_H

#define MTLS_CONTROL_VERSION 1

#define MTLS_ACCT_VERB_STATUS       "status"
#define MTLS_ACCT_VERB_USER_ADD     "user-add"
#define MTLS_ACCT_VERB_USER_CHANGE  "user-change"
#define MTLS_ACCT_VERB_USER_REMOVE  "user-remove"
#define MTLS_ACCT_VERB_GROUP_ADD    "group-add"
#define MTLS_ACCT_VERB_GROUP_REMOVE "group-remove"
#define MTLS_ACCT_VERB_BIND_ADD     "bind-add"
#define MTLS_ACCT_VERB_BIND_REMOVE  "bind-remove"
#define MTLS_ACCT_VERB_BIND_LIST    "bind-list"
#define MTLS_ACCT_VERB_IMPORT       "import"
#define MTLS_ACCT_VERB_PUBLISH      "publish"

#endif
