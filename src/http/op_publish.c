#include "http/op_publish.h"

#include "base/dup.h"
#include "conn/access.h"
#include "http/asking.h"
#include "http/commit.h"
#include "http/publication.h"
#include "ws/reply.h"

#include <stdlib.h>

/* Of one client, those that wait for the application's word or behind one that does. */
#define WAITING_MAX 16

/* An op that has not been answered. */
struct posting {
    struct hook_call call; /* first: a question on its way, and then its answer */
    struct mail mail;      /* brings it, or that all is stored */
    struct publish_ticket ticket;
    struct http_server *srv;
    struct posting *next, **place; /* of the server's, oldest first; NULL: in no list */
    uint64_t client;
    struct str asked_name; /* in `asked`; empty: the application was not asked */
    char *asked;
    struct strbuf receipt;
    struct str ref;
    struct str text; /* of those in the list */
    char memory[];
};

/* ---- memory ---- */

static struct posting *posting_new(struct http_server *srv, const struct stream *s, struct str ref,
                                   struct str text)
{
    struct posting *m = calloc(1, sizeof(*m) + ref.len + text.len + 1);

    if (!m) {
        return NULL;
    }
    m->srv = srv;
    m->client = s->member.id;
    m->receipt = (struct strbuf)STRBUF_INIT;
    m->ref = (struct str){m->memory, ref.len};
    m->text = (struct str){m->memory + ref.len, text.len};
    if (ref.len) {
        memcpy(m->memory, ref.p, ref.len);
    }
    if (text.len) {
        memcpy(m->memory + ref.len, text.p, text.len);
    }
    return m;
}

static void put_in_list(struct posting *m)
{
    m->place = m->srv->postings_end;
    *m->place = m;
    m->srv->postings_end = &m->next;
}

static void take_from_list(struct posting *m)
{
    if (!m->place) {
        return;
    }
    *m->place = m->next;
    if (m->next) {
        m->next->place = m->place;
    } else {
        m->srv->postings_end = m->place;
    }
    atomic_fetch_sub(&m->srv->shared->bodies, m->text.len);
    m->next = NULL;
    m->place = NULL;
}

static void posting_free(struct posting *m)
{
    take_from_list(m);
    strbuf_fini(&m->receipt);
    free(m->asked);
    free(m);
}

static struct posting *first_of(const struct http_server *srv, uint64_t client, unsigned *count)
{
    struct posting *first = NULL;

    *count = 0;
    for (struct posting *m = srv->postings; m; m = m->next) {
        if (m->client == client) {
            first = first ? first : m;
            (*count)++;
        }
    }
    return first;
}

void op_publish_drop(struct http_server *srv)
{
    while (srv->postings) {
        posting_free(srv->postings);
    }
}

/* ---- replies ---- */

static struct stream *stream_of(const struct posting *m)
{
    struct stream *s = clients_find(&m->srv->env->clients, m->client);

    return s && !s->dead && !s->ending ? s : NULL;
}

static void reply_refused(const struct posting *m, struct stream *s, const struct problem *p,
                          uint64_t retry_ms)
{
    metrics_inc(m->srv->env->metrics, METRIC_PUBLISH_REFUSED);
    ws_reply_error(&m->srv->ws, s, m->ref, p->code, p->detail, retry_ms);
}

static void reply_stored(const struct posting *m, struct stream *s)
{
    struct errmsg why;
    struct problem p;

    if (strbuf_failed(&m->receipt)) {
        stream_end(s, 1011, "out of memory");
    } else if (!atomic_load(&m->ticket.failed)) {
        ws_reply_ok(&m->srv->ws, s, m->ref, strbuf_str(&m->receipt));
    } else {
        p = problem_not_stored(m->srv, &why);
        reply_refused(m, s, &p, 1000);
    }
}

/* It is published: on its shard's thread. */
static void stored(struct mail *mail, void *ctx)
{
    struct posting *m = (struct posting *)(void *)((char *)mail - offsetof(struct posting, mail));
    struct stream *s = stream_of(m);

    (void)ctx;
    if (s) {
        reply_stored(m, s);
    }
    atomic_fetch_sub(&m->srv->shared->visits, 1);
    posting_free(m);
}

/* On any thread. */
static void commit_done(struct publish_ticket *t)
{
    struct posting *m = (struct posting *)(void *)((char *)t - offsetof(struct posting, ticket));

    mailbox_push(m->srv->shared->tasks[m->srv->env->shard], &m->mail);
}

/* ---- publishing ---- */

static struct publisher publisher_of_stream(struct posting *m, const struct stream *s)
{
    const struct grant *g = access_grant(s);
    struct publisher pb = {.srv = m->srv,
                           .grant = g ? g : grant_open(),
                           .peer = &s->peer,
                           .from_proxy = s->from_proxy,
                           .form = PUBLISH_OP,
                           .user = stream_user(s),
                           .client = m->client,
                           .asked = ASKED_NOT,
                           .asked_names = &m->asked_name,
                           .nasked = m->asked_name.len > 0,
                           .reason = m->call.answer.reason,
                           .ticket = &m->ticket};

    if (m->asked_name.len) {
        pb.asked = asking_verdict(&m->call.answer);
    }
    return pb;
}

static void answered(struct mail *mail, void *ctx);

/* On the hook's thread, or within hook_ask. */
static void hook_done(struct hook_call *c)
{
    struct posting *m = (struct posting *)(void *)c;

    mailbox_push(m->srv->shared->tasks[m->srv->env->shard], &m->mail);
}

/* `m` is in the list. False, and answered: it cannot be asked about. */
static bool ask(struct posting *m, struct stream *s, struct str channel)
{
    struct hook_question q = {.event = HOOK_PUBLISH, .channels = &channel, .nchannels = 1};
    struct ws_asker memory;

    m->asked = str_dup(channel);
    if (!m->asked) {
        stream_end(s, 1011, "out of memory");
        return false;
    }
    m->asked_name = (struct str){m->asked, channel.len};
    m->mail.run = answered;
    m->call.done = hook_done;
    atomic_fetch_add(&m->srv->shared->visits, 1);
    ws_ask_for(s, &q, &memory);
    hook_ask(m->srv->shared->hook, &q, &m->call);
    return true;
}

enum posted {
    POSTED,    /* and answered, or refused, or the stream ends: `m` is done with */
    POSTED_ON, /* the answer comes when it is stored */
    MUST_ASK   /* the application */
};

static enum posted post(struct posting *m, struct stream *s, const struct json_node *root,
                        size_t bytes)
{
    struct publisher pb = publisher_of_stream(m, s);
    struct refusal r;

    atomic_init(&m->ticket.left, 1);
    atomic_init(&m->ticket.failed, false);
    m->ticket.done = commit_done;
    m->mail.run = stored;
    if (!publication_run_parsed(&pb, root, bytes, &m->receipt, &r)) {
        if (r.ask) {
            return MUST_ASK;
        }
        reply_refused(m, s, &r.problem, r.retry_ms);
        return POSTED;
    }
    if (publish_ticket_close(&m->ticket)) {
        reply_stored(m, s);
        return POSTED;
    }
    atomic_fetch_add(&m->srv->shared->visits, 1);
    return POSTED_ON;
}

/* The oldest of the list for its client. False: it waits for the application. */
static bool post_from_list(struct posting *m, struct stream *s)
{
    struct publisher pb = publisher_of_stream(m, s);
    const struct json_node *root;
    enum posted how = POSTED;
    struct refusal r;

    if (publication_parse(&pb, m->text, &root, &r) != 0) {
        reply_refused(m, s, &r.problem, 0); /* max-message was lowered, or no memory */
    } else {
        how = post(m, s, root, m->text.len);
    }
    if (how == MUST_ASK && ask(m, s, json_get(root, "channel")->text)) {
        return false;
    }
    if (how == POSTED_ON) {
        take_from_list(m);
    } else {
        posting_free(m);
    }
    return true;
}

/* Those of the client that wait, up to the first that the application must be asked about. */
static void go_on(struct http_server *srv, uint64_t client)
{
    struct posting *m;
    unsigned count;

    while ((m = first_of(srv, client, &count))) {
        struct stream *s = stream_of(m);
        if (!s) {
            posting_free(m);
        } else if (!post_from_list(m, s)) {
            return;
        }
    }
}

/* The application has answered: on its shard's thread. */
static void answered(struct mail *mail, void *ctx)
{
    struct posting *m = (struct posting *)(void *)((char *)mail - offsetof(struct posting, mail));

    (void)ctx;
    atomic_fetch_sub(&m->srv->shared->visits, 1);
    go_on(m->srv, m->client);
}

/* ---- the op ---- */

static void refuse_waiting(struct http_server *srv, struct stream *s, struct str ref,
                           const char *code, const char *text)
{
    metrics_inc(srv->env->metrics, METRIC_PUBLISH_REFUSED);
    ws_reply_error(&srv->ws, s, ref, code, text, 1000);
}

/* A copy of the op at the end of the list; NULL: refused. What waits counts as bodies do. */
static struct posting *wait_in_list(struct http_server *srv, struct stream *s,
                                    const struct ws_publish *op)
{
    struct http_shared *sh = srv->shared;
    struct posting *m;

    if (atomic_fetch_add(&sh->bodies, op->text.len) + op->text.len > atomic_load(&sh->max_bodies)) {
        atomic_fetch_sub(&sh->bodies, op->text.len);
        note_overload(srv, &s->peer, "max-bodies");
        refuse_waiting(srv, s, op->ref, "overloaded",
                       "too much waits for the application (max-bodies); try again later");
        return NULL;
    }
    m = posting_new(srv, s, op->ref, op->text);
    if (!m) {
        atomic_fetch_sub(&sh->bodies, op->text.len);
        stream_end(s, 1011, "out of memory");
        return NULL;
    }
    put_in_list(m);
    return m;
}

void op_publish(void *ctx, struct stream *s, const struct ws_publish *op)
{
    struct http_server *srv = ctx;
    enum posted how;
    struct posting *m;
    unsigned count;

    if (first_of(srv, s->member.id, &count)) {
        if (count >= WAITING_MAX) {
            refuse_waiting(srv, s, op->ref, "rate_limited",
                           "wait for the answers to earlier publications first");
        } else {
            (void)wait_in_list(srv, s, op);
        }
        return;
    }
    m = posting_new(srv, s, op->ref, STR_NONE);
    if (!m) {
        stream_end(s, 1011, "out of memory");
        return;
    }
    how = post(m, s, op->root, op->text.len);
    if (how == POSTED_ON) {
        return;
    }
    posting_free(m);
    if (how == MUST_ASK) {
        m = wait_in_list(srv, s, op);
        if (m && !ask(m, s, json_get(op->root, "channel")->text)) {
            posting_free(m);
        }
    }
}
