#include "http/asking.h"

#include "http/credential.h"

#include "base/clock.h"
#include "hook/hook.h"
#include "proto/name.h"

#include <stdlib.h>

/* A question on its way, and then its answer. */
struct http_asking {
    struct hook_call call; /* first */
    struct mail mail;
    struct request *rq;
};

static struct http_asking *of_mail(struct mail *m)
{
    return (struct http_asking *)(void *)((char *)m - offsetof(struct http_asking, mail));
}

enum ask_result asking_verdict(const struct hook_answer *answer)
{
    switch (answer->verdict) {
    case HOOK_ALLOWED:
        return ASKED_YES;
    case HOOK_DENIED:
        return ASKED_NO;
    case HOOK_UNAVAILABLE:
        break;
    }
    return ASKED_IN_VAIN;
}

/* On the request's shard. */
static void arrived(struct mail *m, void *ctx)
{
    struct http_asking *a = of_mail(m);
    struct request *rq = a->rq;

    (void)ctx;
    rq->answer = a->call.answer;
    rq->asked = asking_verdict(&rq->answer);
    free(a);
    request_resume(rq);
}

/* On the hook's thread, or within hook_ask. */
static void done(struct hook_call *c)
{
    struct http_asking *a = (struct http_asking *)(void *)c;
    const struct http_server *srv = a->rq->srv;

    mailbox_push(srv->shared->tasks[srv->env->shard], &a->mail);
}

static enum MHD_Result ask(struct request *rq, struct hook_question *q,
                           enum MHD_Result (*finish)(struct request *rq))
{
    struct http_asking *a = calloc(1, sizeof(*a));
    struct peer client = rq->client, network = peer_network(&rq->client);
    char address[PEER_TEXT_MAX], share[PEER_TEXT_MAX];

    if (!a) {
        return respond_nomem(rq);
    }
    a->call.done = done;
    a->mail.run = arrived;
    a->rq = rq;
    client.port = 0; /* or no two would ask the same */
    q->address = str_of(peer_text(&client, address));
    if (!rq->from_proxy && client.kind != PEER_UNIX) {
        q->network = str_of(peer_text(&network, share));
    }
    q->origin = rq->origin;
    rq->woken = false;
    request_suspend(rq, finish);
    hook_ask(rq->srv->shared->hook, q, &a->call);
    return MHD_YES;
}

enum MHD_Result respond_asked(struct request *rq, const char *field)
{
    if (rq->asked == ASKED_IN_VAIN) {
        return respond_refused(rq, 503, "auth_unavailable",
                               "whether this is permitted cannot be said now; come back in a "
                               "moment");
    }
    return respond_forbidden(rq, field ? "forbidden_channel" : "forbidden", field,
                             rq->answer.reason[0] ? rq->answer.reason
                                                  : "the application does not permit this");
}

/* ---- who it is ---- */

bool asking_for_who(const struct request *rq)
{
    const struct http_shared *sh = rq->srv->shared;

    return sh->hook && (sh->asks & ASKS_CONNECT);
}

enum MHD_Result asking_who(struct request *rq, enum MHD_Result (*finish)(struct request *rq))
{
    struct hook_question q = {.event = HOOK_CONNECT,
                              .cookie = request_header(rq, "Cookie", NULL),
                              .authorization = STR_NONE};

    return ask(rq, &q, finish);
}

/* ---- names ---- */

static bool may_ask(const struct request *rq, unsigned what)
{
    const struct http_shared *sh = rq->srv->shared;

    return sh->hook && (sh->asks & what) && rq->grant;
}

bool asking_may_subscribe(const struct request *rq, struct str name)
{
    return may_ask(rq, ASKS_SUBSCRIBE) && permit_ask_subscribe(rq->srv->env->opt, rq->grant, name);
}

bool asking_may_publish(const struct http_server *srv, const struct grant *g, struct str channel)
{
    const struct http_shared *sh = srv->shared;

    return sh->hook && (sh->asks & ASKS_PUBLISH) && permit_ask_publish(srv->env->opt, g, channel);
}

enum ask_result asking_result(const struct request *rq, struct str name)
{
    return str_among(name, rq->asked_names, rq->nasked) ? (enum ask_result)rq->asked : ASKED_NOT;
}

static enum MHD_Result finish_names(struct request *rq)
{
    enum MHD_Result result;

    rq->woken = false;
    return credential_stands(rq, &result) == 0 ? rq->asker(rq) : result;
}

/* What the names lie in may be gone, or something else, when the answer comes. */
static int note_names(struct request *rq, const struct str *names, unsigned n)
{
    size_t bytes = 0;
    char *text;

    for (unsigned i = 0; i < n; i++) {
        bytes += names[i].len;
    }
    free(rq->asked_names);
    rq->nasked = 0;
    rq->asked_names = malloc(n * sizeof(struct str) + bytes + 1);
    if (!rq->asked_names) {
        return ERR_NOMEM;
    }
    text = (char *)(rq->asked_names + n);
    for (unsigned i = 0; i < n; i++) {
        memcpy(text, names[i].p, names[i].len);
        rq->asked_names[i] = (struct str){text, names[i].len};
        text += names[i].len;
    }
    rq->nasked = n;
    return 0;
}

enum MHD_Result asking_names(struct request *rq, bool publish, const struct str *names, unsigned n,
                             enum MHD_Result (*again)(struct request *rq))
{
    struct hook_question q = {.event = publish ? HOOK_PUBLISH : HOOK_SUBSCRIBE,
                              .user = rq->grant->s.user,
                              .channels = names,
                              .nchannels = n};
    char id[CLIENT_ID_LEN + 1];

    if (rq->acts_as) {
        client_id_text(rq->acts_as, id);
        q.client_id = str_of(id);
    }
    if (note_names(rq, names, n) != 0) {
        return respond_nomem(rq);
    }
    rq->asker = again;
    return ask(rq, &q, finish_names);
}

/* Is the parameter a plain name that the application could permit? What is wrong with others
 * is said later. */
static bool to_be_asked(struct request *rq, struct str text)
{
    return name_check_subscription(text, NULL) == 0 &&
           !permit_subscribe(rq->srv->env->opt, rq->grant, text) && asking_may_subscribe(rq, text);
}

bool asking_channels(struct request *rq, enum MHD_Result *result)
{
    unsigned n = 0, max = rq->srv->env->opt->max_channels;
    struct str *names;

    if (rq->asked != ASKED_NOT || !may_ask(rq, ASKS_SUBSCRIBE)) {
        return true;
    }
    names = calloc(rq->target.nparams + 1, sizeof(*names));
    if (!names) {
        *result = respond_nomem(rq);
        return false;
    }
    for (const struct param *p = target_param(&rq->target, "channel"); p;
         p = target_next(&rq->target, p)) {
        if (!str_among(p->value, names, n) && to_be_asked(rq, p->value)) {
            names[n++] = p->value;
        }
    }
    n = n > max ? 0 : n; /* it will be refused for that */
    if (n) {
        *result = asking_names(rq, false, names, n, rq->endpoint);
    }
    free(names);
    return n == 0;
}

int asking_readable(struct request *rq, struct str channel,
                    enum MHD_Result (*again)(struct request *rq), enum MHD_Result *result)
{
    if (permit_subscribe(rq->srv->env->opt, rq->grant, channel)) {
        return 0;
    }
    if (!asking_may_subscribe(rq, channel)) {
        *result = respond_forbidden(rq, "forbidden_channel", "channel",
                                    "this credential does not permit to read the channel");
    } else if (rq->asked == ASKED_NOT) {
        *result = asking_names(rq, false, &channel, 1, again);
    } else if (rq->asked == ASKED_YES) {
        return 0;
    } else {
        *result = respond_asked(rq, "channel");
    }
    return ERR_STATE;
}
