/* Starting threads; called by whatever has some. */
#include "thread.h"

int thread_start(pthread_t *t, size_t stack_bytes, void *(*run)(void *), void *arg)
{
    pthread_attr_t attr;
    int err = pthread_attr_init(&attr);
    if (err)
        return err;
    pthread_attr_setstacksize(&attr, stack_bytes);
    err = pthread_create(t, &attr, run, arg);
    pthread_attr_destroy(&attr);
    return err;
}
