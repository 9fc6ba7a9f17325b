#include "proto/sse.h"

#include <criterion/criterion.h>
#include <signal.h>

static void expect(struct str type, struct str id, struct str data, const char *want)
{
    struct strbuf sb = STRBUF_INIT;

    sse_add_event(&sb, type, id, data);
    cr_expect(str_eqz(strbuf_str(&sb), want), "%.*s", (int)sb.len, sb.data);
    strbuf_fini(&sb);
}

Test(sse, events)
{
    expect(STR_LIT("update"), STR_LIT("a-1"), STR_LIT("{}"),
           "event: update\nid: a-1\ndata: {}\n\n");
    expect(STR_LIT("message"), STR_LIT("a-1"), STR_LIT("1"), "id: a-1\ndata: 1\n\n");
    expect(STR_LIT("x"), STR_NONE, STR_LIT("1"), "event: x\ndata: 1\n\n");
    expect(STR_LIT("message"), STR_NONE, STR_NONE, "data: \n\n");
    /* One space after the colon is taken away by the reader, so ours stays. */
    expect(STR_LIT(" t"), STR_NONE, STR_LIT(" d"), "event:  t\ndata:  d\n\n");
    /* Not line ends in this format. */
    expect(STR_LIT("\xC2\x85"), STR_NONE, STR_LIT("\xE2\x80\xA8\v\f"),
           "event: \xC2\x85\ndata: \xE2\x80\xA8\v\f\n\n");
}

Test(sse, retry_and_heartbeat)
{
    struct strbuf sb = STRBUF_INIT;

    sse_add_retry(&sb, 0);
    sse_add_retry(&sb, UINT32_MAX);
    strbuf_adds(&sb, SSE_HEARTBEAT);
    cr_expect(str_eqz(strbuf_str(&sb), "retry: 0\nretry: 4294967295\n:\n"));
    strbuf_fini(&sb);
}

static void forge(struct str type, struct str id, struct str data)
{
    struct strbuf sb = STRBUF_INIT;

    sse_add_event(&sb, type, id, data);
    strbuf_fini(&sb);
}

Test(sse, line_feed_in_type, .signal = SIGABRT)
{
    forge(STR_LIT("a\nb"), STR_NONE, STR_LIT("1"));
}

Test(sse, carriage_return_in_id, .signal = SIGABRT)
{
    forge(STR_LIT("a"), STR_LIT("1\r"), STR_LIT("1"));
}

Test(sse, nul_in_id, .signal = SIGABRT)
{
    forge(STR_LIT("a"), STR_LIT("1\0"), STR_LIT("1"));
}

Test(sse, line_feed_in_data, .signal = SIGABRT)
{
    forge(STR_LIT("a"), STR_NONE, STR_LIT("1\n2"));
}
