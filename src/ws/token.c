#include "ws/token.h"

#include "auth/auth.h"
#include "base/clock.h"
#include "conn/access.h"

#include <stdio.h>

static void log_refused(const struct op *op, const char *code)
{
    if (conn_env_may_log(op->s->env, LOG_KIND_AUTH)) {
        stream_log(op->s, LOG_INFO_LVL, "token refused", "code", code);
    }
}

static void refuse(struct op *op, const char *code, const char *text)
{
    log_refused(op, code);
    op_reply_error(op, code, text);
}

static void reply_renewed(struct op *op, const struct grant *g)
{
    char at[CLOCK_RFC3339_LEN + 1];
    char data[64];

    clock_rfc3339(g->s.expires_ms, at);
    snprintf(data, sizeof(data), "{\"expiresAt\":\"%s\"}", at);
    op_reply_ok(op, g->s.expires_ms ? str_of(data) : STR_LIT("{\"expiresAt\":null}"));
}

static void renew(struct op *op, struct grant *g)
{
    int rc = access_renew(op->s, g);

    if (rc == 0) {
        reply_renewed(op, g);
    } else if (rc == ERR_CONFLICT) {
        refuse(op, "other_user", "the token is not one of this client's user");
    } else if (rc == ERR_INVALID) {
        refuse(op, auth_outcome_code(AUTH_UNKNOWN), "the key of the token has just been taken out");
    } else { /* or it ends already */
        op_out_of_memory(op);
    }
}

static void note_failure(struct stream *s, enum auth_outcome outcome)
{
    const struct conn_hooks *h = &s->env->hooks;

    metrics_inc(s->env->metrics, METRIC_AUTH_REFUSED);
    if (auth_outcome_is_bad(outcome) && h->token_failed) {
        h->token_failed(h->ctx, s);
    }
}

static void check(struct op *op, struct str text)
{
    struct grant *g = NULL;
    struct errmsg why = {""};
    /* Keys and tickets are none for this place, and not looked at. */
    enum auth_outcome outcome = auth_check(op->w->auth, AUTH_OP, text, clock_real_ms(), &g, &why);

    if (outcome == AUTH_OK) {
        renew(op, g);
        grant_unref(g);
    } else if (outcome == AUTH_NOMEM) {
        op_out_of_memory(op);
    } else {
        note_failure(op->s, outcome);
        refuse(op, auth_outcome_code(outcome), why.text);
    }
}

/* For how long it may show none, and which limit says so; 0: it may. The stream's own comes
 * first: the other one is asked for, and counts, what would be looked at. */
static uint64_t wait_for(struct stream *s, const char **code, const char **text)
{
    const struct conn_hooks *h = &s->env->hooks;
    uint64_t wait = access_wait(s);

    *code = "rate_limited";
    *text = "too many tokens in a second";
    if (!wait && h->token_wait) {
        wait = h->token_wait(h->ctx, s);
        *code = "too_many_failures";
        *text = "too many bad credentials came from this address (auth-failure-rate)";
    }
    return wait;
}

void op_token(struct op *op)
{
    static const char *const members[] = {"token"};
    const char *code, *text;
    const struct json_node *n;
    uint64_t wait;

    if (!op_known_members(op, members, 1) || !(n = op_need(op, "token", JSON_STRING))) {
        return;
    }
    if (!op->w->auth || !op->s->access) {
        op_reply_error(op, "not_permitted",
                       "this gateway has no keys configured: it takes no tokens");
        return;
    }
    wait = wait_for(op->s, &code, &text);
    if (wait) {
        log_refused(op, code);
        op_reply_later(op, code, text, wait);
    } else {
        check(op, n->text);
    }
}
