/* Misbehaving on purpose, for the tests of what survives it. Empty in real builds. */
#ifndef IMGCORE_OP_TEST_H
#define IMGCORE_OP_TEST_H

#include "mem.h"

#ifdef PIXPOOL_TEST_OPS
/* op is an enum ic_test_op. IC_TEST_BUSY and _NAP return IC_OK, IC_TEST_OOM IC_E_MEMORY with m as it was, and what
 * tries the sandbox IC_E_PARAM where it got away with it; the others never return. */
enum ic_code ic_op_test(int op, struct ic_mem *m, struct ic_error *e);
#endif

#endif
