/* Between sandbox.c (what a process gives up, and when) and sandbox_calls.c (which system calls). process.h has what
 * others call. */
#ifndef SANDBOX_H
#define SANDBOX_H

#include <linux/filter.h>
#include <stdbool.h>

#define SANDBOX_CODE 512 /* instructions */

struct sandbox_program {
    struct sock_filter code[SANDBOX_CODE];
    unsigned short n; /* 0: there is none */
};

/* enforce: what is not allowed raises SIGSYS; otherwise the kernel only logs it. false: it can't be had. */
bool sandbox_compile_worker(bool enforce, struct sandbox_program *out);
bool sandbox_compile_gateway(struct sandbox_program *out);

/* Reads the names of all calls, once; afterwards sandbox_call_name is safe in a signal handler. */
void sandbox_name_calls(void);
const char *sandbox_call_name(int call); /* "openat", "?" */

#endif
