/* Threads of the gateway. There are many, most of them waiting: each has a stack no larger than its work needs. */
#ifndef THREAD_H
#define THREAD_H

#include <pthread.h>
#include <stddef.h>

#define THREAD_STACK       (256u << 10)
#define THREAD_STACK_CODEC (2048u << 10) /* workers = 0: codecs run on it */

/* 0 or an errno, as pthread_create() returns it. */
int thread_start(pthread_t *t, size_t stack_bytes, void *(*run)(void *), void *arg);

#endif
