/* An engine as the configuration wants it. */
#ifndef ENGINE_H
#define ENGINE_H

#include "config.h"

/* c has its files read. NULL: why is a sentence. */
struct ic_engine *engine_create(const struct config *c, char *why, size_t n);

#endif
