/* main.c - the daemon: options, one gateway, signals. */
#include "fanfare/args.h"
#include "fanfare/complain.h"
#include "fanfare/key.h"
#include "fanfare/store.h"
#include "fanfare/token.h"
#include "fanfare/user.h"

#include <fanfare/fanfare.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#define DRAIN_POLL_MS 20
#define DRAIN_EXTEND_S 10 /* what systemd is asked to wait on, again and again */

/* A socket must not become descriptor 0, 1 or 2 and then be written to. */
static void open_standard_descriptors(void)
{
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) == -1 && errno == EBADF && open("/dev/null", O_RDWR) == -1) {
            return;
        }
    }
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* without it there is room for fewer clients */
    }
}

/* Blocked in every thread: the main thread waits for them. */
static void signals_prepare(sigset_t *set)
{
    static const int handled[] = {SIGTERM, SIGINT, SIGHUP};
    sigemptyset(set);
    for (size_t i = 0; i < sizeof handled / sizeof *handled; i++) {
        sigaddset(set, handled[i]);
        signal(handled[i], SIG_DFL); /* nohup or a shell may have left SIG_IGN */
    }
    sigprocmask(SIG_BLOCK, set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void exit_at_once(int sig)
{
    _exit(128 + sig);
}

/* From here on a signal to stop acts by itself, whatever is being waited for. */
static void signals_release(const sigset_t *set)
{
    signal(SIGHUP, SIG_IGN);
    signal(SIGTERM, exit_at_once);
    signal(SIGINT, exit_at_once);
    sigprocmask(SIG_UNBLOCK, set, NULL);
}

static void reload(struct fanfare *gw, int argc, char *const *argv)
{
    struct fanfare_options *o = NULL;
    struct fanfare_why why = {""};
    struct args args;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
               (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
    int rc = args_load(argc, argv, &o, &args, &why);
    if (rc == 0) {
        rc = fanfare_options_check(o, &why);
    }
    if (rc == 0) {
        rc = fanfare_reload(gw, o, &why);
    }
    if (rc != 0) {
        char text[sizeof why.text + 64];
        snprintf(text, sizeof text, "not reloaded, the old configuration stays: %s", why.text);
        complain(text);
    }
    fanfare_options_free(o);
    sd_notify(0, "READY=1");
}

/* Until all clients are gone or the drain time is over. */
static void drain(struct fanfare *gw, const sigset_t *set)
{
    const struct timespec poll = {0, DRAIN_POLL_MS * 1000000L};
    sd_notify(0, "STOPPING=1\nSTATUS=Draining");
    fanfare_drain(gw);
    for (unsigned turn = 0; !fanfare_drained(gw); turn++) {
        if (turn % (1000 / DRAIN_POLL_MS) == 0) {
            sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%d", DRAIN_EXTEND_S * 1000000);
        }
        int sig = sigtimedwait(set, NULL, &poll);
        if (sig == SIGTERM || sig == SIGINT) {
            exit_at_once(sig);
        }
    }
}

/* Serves until it is told to stop. */
static void serve(struct fanfare *gw, const sigset_t *set, int argc, char *const *argv)
{
    const char *url = fanfare_url(gw, 0);
    printf("fanfare ready on %s\n", url != NULL ? url : "?");
    fflush(stdout);
    sd_notifyf(0, "READY=1\nSTATUS=Serving on %s", url != NULL ? url : "?");
    for (;;) {
        int sig = sigwaitinfo(set, NULL);
        if (sig == SIGHUP) {
            reload(gw, argc, argv);
        } else if (sig == SIGTERM || sig == SIGINT) {
            break;
        }
    }
    drain(gw, set);
}

/* What is made here belongs to the user: the log, for that is opened again at SIGHUP. */
static int create(const struct fanfare_options *o, const struct user *u, struct fanfare **gw,
                  struct fanfare_why *why)
{
    struct fanfare_why other = {""};
    int status = user_borrow(u, why);
    if (status != 0) {
        return status;
    }
    int rc = fanfare_new(o, gw, why);
    if (rc != 0 && u->wanted) {
        size_t len = strlen(why->text);
        snprintf(why->text + len, sizeof why->text - len,
                 "; the user of --user opens it, now and at each SIGHUP");
    }
    status = user_give_back(u, rc == 0 ? why : &other);
    return rc != 0 ? STATUS_FAILED : status;
}

static int own_sockets(struct fanfare *gw, const struct user *u, struct fanfare_why *why)
{
    int status = 0;
    const char *url;
    for (size_t i = 0; status == 0 && (url = fanfare_url(gw, i)) != NULL; i++) {
        if (strncmp(url, "unix:", 5) == 0) {
            status = user_own_socket(u, url + 5, why);
        }
    }
    return status;
}

/* Listens, with all the rights that the process was started with, gives those up, and
 * goes on. 0, STATUS_FAILED or a code of the library. */
static int start(const struct fanfare_options *o, const struct user *u, struct fanfare **gw,
                 struct fanfare_why *why)
{
    int rc = user_may(u, why);
    if (rc == 0) {
        rc = create(o, u, gw, why);
    }
    if (rc == 0) {
        rc = fanfare_listen(*gw, why);
    }
    if (rc == 0) {
        rc = own_sockets(*gw, u, why);
    }
    if (rc == 0) {
        rc = user_become(u, why);
    }
    return rc == 0 ? fanfare_start(*gw, why) : rc;
}

static int run(const struct fanfare_options *o, const struct user *u, int argc, char *const *argv)
{
    struct fanfare *gw = NULL;
    struct fanfare_why why = {""};
    sigset_t set;
    raise_descriptor_limit();
    signals_prepare(&set);
    int rc = start(o, u, &gw, &why);
    if (rc == 0) {
        serve(gw, &set, argc, argv);
        signals_release(&set);
        fanfare_stop(gw);
    } else {
        complain(*why.text != '\0' ? why.text : fanfare_strerror(rc));
    }
    fanfare_free(gw);
    return rc == 0 ? 0 : STATUS_FAILED;
}

static int check_options(const struct fanfare_options *o, struct user *u)
{
    struct fanfare_why why = {""};
    const char *text = fanfare_options_text(o, "user");
    int rc = fanfare_options_check(o, &why);
    if (rc == 0) {
        rc = user_find(text != NULL ? text : "", u, &why);
    }
    if (rc != 0) {
        complain(*why.text != '\0' ? why.text : fanfare_strerror(rc));
    }
    return rc == 0 ? 0 : STATUS_USAGE;
}

struct tool {
    const char *name;
    int (*run)(int argc, char *const *argv);
};

static const struct tool tools[] = {
    {"store", store_main}, {"key", key_main}, {"token", token_main}};

int main(int argc, char **argv)
{
    struct fanfare_options *o = NULL;
    struct fanfare_why why = {""};
    struct user user = {0};
    struct args args;
    open_standard_descriptors();
    for (size_t i = 0; argc > 1 && i < sizeof tools / sizeof *tools; i++) {
        if (strcmp(argv[1], tools[i].name) == 0) {
            return tools[i].run(argc - 1, argv + 1);
        }
    }
    int status = args_load(argc, argv, &o, &args, &why);
    if (status == 0) {
        status = args_hide_secrets(&why);
    }
    if (status != 0) {
        complain(why.text);
    } else if (args.help) {
        help_print(stdout, help_width(stdout));
    } else if (args.version) {
        printf("fanfare %s\n", fanfare_version());
    } else {
        status = check_options(o, &user);
        if (status == 0 && args.check_config) {
            puts("configuration is valid");
        } else if (status == 0) {
            status = run(o, &user, argc, argv);
        }
    }
    fanfare_options_free(o);
    return status;
}
