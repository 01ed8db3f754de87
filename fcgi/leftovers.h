/* The answers of slow readers. */
#ifndef LEFTOVERS_H
#define LEFTOVERS_H

#include "dispatch.h"

struct leftovers;

struct leftovers *leftovers_create(struct gateway *g); /* starts a thread. NULL: errno */
void leftovers_free(struct leftovers *l);              /* nothing may be left; accepts NULL */
int leftovers_waiting(const struct leftovers *l);      /* how many; any thread; accepts NULL */

#endif
