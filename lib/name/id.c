/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Windows of uids and gids. Pure. */
#include <config.h>

#include "lib/base/cleanup.h"
#include "lib/name/id.h"

/* Never ours, however wide somebody sets the window. */
static const struct mtls_id_window refused[] = {
	{ 0, 999 },                        /* root and system accounts */
	{ 60001, 60577 },                  /* systemd-homed */
	{ 61184, 65519 },                  /* systemd DynamicUser */
	{ 65534, 65535 },                  /* nobody; (uid16_t)-1 */
	{ UINT32_C(1) << 31, UINT32_MAX }, /* negative to programs with signed ids; (uid_t)-1 */
};

/* Every lookup asks this more than once: between the last small range and 2^31 lies nothing. */
#define CLEAR_MIN 65536
#define CLEAR_MAX INT32_MAX

bool mtls_id_reserved(uint32_t id)
{
	if (id >= CLEAR_MIN && id <= CLEAR_MAX)
		return false;
	for (size_t i = 0; i < MTLS_COUNT(refused); i++)
		if (id >= refused[i].min && id <= refused[i].max)
			return true;
	return false;
}

bool mtls_id_allowed(const struct mtls_id_window *window, uint32_t id)
{
	return id >= window->min && id <= window->max && !mtls_id_reserved(id);
}

bool mtls_id_admitted(const struct mtls_id_rules *rules, uint32_t id)
{
	if (mtls_id_allowed(&rules->window, id))
		return true;
	for (uint32_t i = 0; i < rules->foreign_count; i++)
		if (mtls_id_allowed(&rules->foreign[i], id))
			return true;
	return false;
}
