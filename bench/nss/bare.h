/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The floor: the records of the snapshot in a cdb without checksums, checks and record format.
 *
 *	u NAME		uid, gids of teams, passwd line
 *	U UID		uid, passwd line
 *	g NAME, G GID	gid, names of members
 */
#ifndef BENCH_NSS_BARE_H
#define BENCH_NSS_BARE_H

#define BARE_PATH "/run/bench/bare.cdb"

#endif
