/* A thread of src/hook. */
#include "hook/private.h"

#include <signal.h>

int worker_start(pthread_t *t, void *(*run)(void *ctx), void *ctx, const char *name)
{
    sigset_t all, before;
    int rc;

    sigfillset(&all); /* signals are for the program's own threads */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(t, NULL, run, ctx);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        return ERR_SYSTEM;
    }
    pthread_setname_np(*t, name);
    return 0;
}
