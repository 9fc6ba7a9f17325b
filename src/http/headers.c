/* Reading a request's headers. */
#include "http/request.h"

#include <strings.h>

struct header_search {
    const char *name;
    struct strbuf *join; /* NULL: count only */
    unsigned lines;
};

static enum MHD_Result header_line(void *cls, enum MHD_ValueKind kind, const char *key,
                                   const char *value)
{
    struct header_search *s = cls;

    (void)kind;
    if (strcasecmp(key, s->name) == 0) {
        if (s->join) {
            strbuf_adds(s->join, s->lines ? ", " : "");
            strbuf_adds(s->join, value ? value : "");
        }
        s->lines++;
    }
    return MHD_YES;
}

struct str request_header(struct request *rq, const char *name, unsigned *lines)
{
    struct header_search s = {name, NULL, 0};
    struct strbuf join = STRBUF_INIT;

    MHD_get_connection_values(rq->mhd, MHD_HEADER_KIND, header_line, &s);
    if (lines) {
        *lines = s.lines;
    }
    if (s.lines <= 1) {
        return request_header_one(rq, name);
    }
    if (rq->nowned == REQUEST_OWNED) {
        return request_header_one(rq, name);
    }
    s.lines = 0;
    s.join = &join;
    MHD_get_connection_values(rq->mhd, MHD_HEADER_KIND, header_line, &s);
    rq->owned[rq->nowned] = strbuf_steal(&join, NULL);
    return str_of(rq->owned[rq->nowned++]);
}

/* Without the white space around it (RFC 9110 5.5). */
struct str request_header_one(struct request *rq, const char *name)
{
    struct str v = str_of(MHD_lookup_connection_value(rq->mhd, MHD_HEADER_KIND, name));

    while (v.len && (v.p[0] == ' ' || v.p[0] == '\t')) {
        v.p++;
        v.len--;
    }
    while (v.len && (v.p[v.len - 1] == ' ' || v.p[v.len - 1] == '\t')) {
        v.len--;
    }
    return v;
}
