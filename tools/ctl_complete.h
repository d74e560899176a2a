/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `mtlsctl --complete WORD...`: what the shell may offer for the last word, which is being typed.
 * The shells' own files (dist/completion) only ask.
 */
#ifndef MTLS_TOOLS_CTL_COMPLETE_H
#define MTLS_TOOLS_CTL_COMPLETE_H

#define CTL_CANDIDATES_MAX 1000 /* names of users, groups, services; nobody reads more */

/*
 * @words are what stands behind "mtlsctl". Prints a candidate a line, with its help behind a tab
 * where there is one; a line ":files" or ":folders" leaves it to the shell.
 */
void ctl_complete(int count, char **words);

#endif
