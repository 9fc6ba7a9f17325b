#include "proto/json.h"

#include "proto/json_explain.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <yajl/yajl_parse.h>

/* Memory of one parse, taken from blocks that are kept for the next one. */
struct block {
    struct block *next;
    size_t cap;
    size_t used;
    char bytes[] __attribute__((aligned(16)));
};

#define BLOCK_SIZE 16384
#define KEEP_MAX ((size_t)1 << 20) /* more than this is given back after a parse */

/* An open container. */
struct open {
    struct json_node *node; /* NULL below the tree */
    struct json_node *last; /* its last child so far */
    bool object;
    bool opaque; /* json_limits.leave: its values stay out of the tree */
};

struct json_doc {
    struct block *first, *current;
    size_t blocks_size;
    /* yajl's memory: reserved before a parse, because yajl does not check. */
    char *pool;
    size_t pool_cap, pool_used;

    yajl_handle yajl;
    struct str text;
    struct json_limits lim;
    struct json_error *err;
    int status;
    bool finishing; /* yajl_complete_parse: offsets mean nothing */
    bool complete;  /* the root has ended */
    size_t end;     /* of the last token that yajl gave us */
    enum json_after after;
    unsigned depth; /* open containers */
    unsigned open_cap;
    struct open *open;
    struct str key;
    size_t nodes;
    struct json_node *root;
};

static void *arena_get(struct json_doc *d, size_t size)
{
    struct block *b = d->current;

    size = (size + 15) & ~(size_t)15;
    while (b && b->cap - b->used < size) {
        b = b->next;
    }
    if (!b) {
        size_t cap = size > BLOCK_SIZE ? size : BLOCK_SIZE;
        b = malloc(sizeof(*b) + cap);
        if (!b) {
            return NULL;
        }
        b->cap = cap;
        b->used = 0;
        b->next = NULL;
        if (d->current) {
            b->next = d->current->next;
            d->current->next = b;
        } else {
            d->first = b;
        }
        d->blocks_size += cap;
    }
    d->current = b;
    void *p = b->bytes + b->used;
    b->used += size;
    return p;
}

static void arena_drop(struct json_doc *d)
{
    while (d->first) {
        struct block *next = d->first->next;
        free(d->first);
        d->first = next;
    }
    d->current = NULL;
    d->blocks_size = 0;
}

static void arena_reset(struct json_doc *d)
{
    if (d->blocks_size > KEEP_MAX) {
        arena_drop(d);
    }
    for (struct block *b = d->first; b; b = b->next) {
        b->used = 0;
    }
    d->current = d->first;
}

/* yajl's allocator. Each piece has its size in front; a piece that grows at
 * least doubles, so that all pieces of one growing buffer take at most four
 * times its final need. */
struct piece {
    size_t cap;
    char bytes[] __attribute__((aligned(16)));
};

static void *pool_malloc(void *ctx, size_t size)
{
    struct json_doc *d = ctx;
    size_t cap = (size + 15) & ~(size_t)15;

    assert(d->pool_cap - d->pool_used >= sizeof(struct piece) + cap);
    struct piece *p = (struct piece *)(void *)(d->pool + d->pool_used);
    p->cap = cap;
    d->pool_used += sizeof(*p) + cap;
    return p->bytes;
}

static void *pool_realloc(void *ctx, void *old, size_t size)
{
    if (!old) {
        return pool_malloc(ctx, size);
    }
    size_t cap = ((struct piece *)(void *)((char *)old - offsetof(struct piece, bytes)))->cap;
    if (size <= cap) {
        return old;
    }
    char *p = pool_malloc(ctx, size > 2 * cap ? size : 2 * cap);
    memcpy(p, old, cap);
    return p;
}

static void pool_free(void *ctx, void *p)
{
    (void)ctx;
    (void)p;
}

/* What yajl 2 can need at most: its fixed parts; one byte a level, in a stack
 * that grows by 128; a copy of a token that the end of the text cuts off; a
 * decoded string, if there are escapes at all. Buffers begin with 2048 bytes
 * and double until the content fits. */
static int pool_reset(struct json_doc *d)
{
    size_t len = d->text.len;
    size_t levels = d->lim.max_depth < len ? d->lim.max_depth : len;
    size_t need = 24576 + 4 * (levels + 256);

    if (len > SIZE_MAX / 32) {
        return ERR_NOMEM;
    }
    need += 4 * len;
    if (len > 0 && memchr(d->text.p, '\\', len)) {
        need += 4 * len;
    }
    d->pool_used = 0;
    if (need <= d->pool_cap) {
        return 0;
    }
    free(d->pool);
    need = need < 65536 ? 65536 : need;
    d->pool = malloc(need);
    d->pool_cap = d->pool ? need : 0;
    return d->pool ? 0 : ERR_NOMEM;
}

static void pool_trim(struct json_doc *d)
{
    if (d->pool_cap > KEEP_MAX) {
        free(d->pool);
        d->pool = NULL;
        d->pool_cap = 0;
    }
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool fail(struct json_doc *d, int status)
{
    d->status = status;
    return false;
}

/* Takes note of the token that yajl has just read; returns where it begins.
 * Between two tokens we hear of, only white space, ',' and ':' can stand. */
static size_t token(struct json_doc *d)
{
    size_t start = d->end;

    d->end = d->finishing ? d->text.len : yajl_get_bytes_consumed(d->yajl);
    while (start < d->end &&
           (is_space(d->text.p[start]) || d->text.p[start] == ',' || d->text.p[start] == ':')) {
        start++;
    }
    return start;
}

/* True if a value here stands in the tree. */
static bool in_tree(const struct json_doc *d)
{
    const struct open *o = d->depth ? &d->open[d->depth - 1] : NULL;

    return !o || (d->depth <= d->lim.tree_depth && o->node && !o->opaque);
}

static bool add_node(struct json_doc *d, enum json_type type, size_t start, struct json_node **out)
{
    if (d->nodes >= d->lim.max_nodes) {
        json_error_set(d->err, start, "more than %zu values", d->lim.max_nodes);
        return fail(d, ERR_LIMIT);
    }
    struct json_node *n = arena_get(d, sizeof(*n));
    if (!n) {
        return fail(d, ERR_NOMEM);
    }
    memset(n, 0, sizeof(*n));
    n->type = type;
    n->offset = start;
    n->raw = (struct str){d->text.p + start, d->end - start};
    d->nodes++;
    if (d->depth == 0) {
        d->root = n;
    } else {
        struct open *o = &d->open[d->depth - 1];
        if (o->object) {
            n->key = d->key;
        }
        *(o->last ? &o->last->next : &o->node->child) = n;
        o->last = n;
        o->node->count++;
    }
    *out = n;
    return true;
}

static void value_ended(struct json_doc *d)
{
    d->after = JSON_AFTER_VALUE;
    d->complete = d->depth == 0;
}

static bool scalar(struct json_doc *d, enum json_type type, struct json_node **out)
{
    size_t start = token(d);

    *out = NULL;
    if (in_tree(d) && !add_node(d, type, start, out)) {
        return false;
    }
    value_ended(d);
    return true;
}

static unsigned hex4(const char *p)
{
    unsigned v = 0;

    for (int i = 0; i < 4; i++) {
        unsigned char c = (unsigned char)p[i];
        unsigned digit = c <= '9' ? c - (unsigned)'0' : (c | 0x20u) - (unsigned)'a' + 10u;
        v = v << 4 | digit;
    }
    return v;
}

static char *put_utf8(char *to, unsigned c)
{
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xC0 | c >> 6);
        *to++ = (char)(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        *to++ = (char)(0xE0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 0x3F));
        *to++ = (char)(0x80 | (c & 0x3F));
    } else {
        *to++ = (char)(0xF0 | c >> 18);
        *to++ = (char)(0x80 | (c >> 12 & 0x3F));
        *to++ = (char)(0x80 | (c >> 6 & 0x3F));
        *to++ = (char)(0x80 | (c & 0x3F));
    }
    return to;
}

/* The character of a \uXXXX whose 'u' is at p, or of a pair of them; moves p
 * behind it. Half a pair is U+FFFD and sets *lone. */
static unsigned unicode_escape(const char **p, const char *end, bool *lone)
{
    unsigned c = hex4(*p + 1);

    *p += 5;
    if (c < 0xD800 || c > 0xDFFF) {
        return c;
    }
    if (c < 0xDC00 && end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u') {
        unsigned low = hex4(*p + 2);
        if (low >= 0xDC00 && low <= 0xDFFF) {
            *p += 6;
            return 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
        }
    }
    *lone = true;
    return 0xFFFD;
}

static char simple_escape(char c)
{
    switch (c) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return c;
    }
}

/* Decodes what stands between the quotes. yajl's own decoding is not used: it
 * makes invalid UTF-8 of lone surrogates. */
static bool decode(struct json_doc *d, struct str in, struct str *out, bool *lone)
{
    const char *slash = in.len ? memchr(in.p, '\\', in.len) : NULL;

    if (!slash) {
        *out = in;
        return true;
    }
    char *start = arena_get(d, in.len);
    if (!start) {
        return fail(d, ERR_NOMEM);
    }
    char *to = start;
    const char *p = in.p;
    const char *end = in.p + in.len;
    while (p < end) {
        const char *stop = slash ? slash : end;
        memcpy(to, p, (size_t)(stop - p));
        to += stop - p;
        p = stop;
        if (slash) {
            p++;
            if (*p == 'u') {
                to = put_utf8(to, unicode_escape(&p, end, lone));
            } else {
                *to++ = simple_escape(*p++);
            }
            slash = p < end ? memchr(p, '\\', (size_t)(end - p)) : NULL;
        }
    }
    *out = (struct str){start, (size_t)(to - start)};
    return true;
}

static int on_null(void *ctx)
{
    struct json_node *n;
    return scalar(ctx, JSON_NULL, &n);
}

static int on_bool(void *ctx, int truth)
{
    struct json_node *n;

    if (!scalar(ctx, JSON_BOOL, &n)) {
        return 0;
    }
    if (n) {
        n->truth = truth != 0;
    }
    return 1;
}

static int on_number(void *ctx, const char *digits, size_t len)
{
    struct json_node *n;

    (void)digits;
    (void)len;
    return scalar(ctx, JSON_NUMBER, &n);
}

static int on_string(void *ctx, const unsigned char *s, size_t len)
{
    struct json_node *n;

    (void)s;
    (void)len;
    if (!scalar(ctx, JSON_STRING, &n)) {
        return 0;
    }
    if (!n) {
        return 1;
    }
    struct str in = {n->raw.p + 1, n->raw.len - 2};
    return decode(ctx, in, &n->text, &n->lone_surrogate);
}

static int on_key(void *ctx, const unsigned char *s, size_t len)
{
    struct json_doc *d = ctx;
    size_t start = token(d);
    bool lone = false;

    (void)s;
    (void)len;
    d->after = JSON_AFTER_KEY;
    if (!in_tree(d)) {
        return 1;
    }
    struct str in = {d->text.p + start + 1, d->end - start - 2};
    return decode(d, in, &d->key, &lone);
}

/* Is `n` the member of the root whose inside nobody wants? */
static bool is_left(const struct json_doc *d, const struct json_node *n)
{
    return d->lim.leave && n && d->depth == 1 && str_eqz(n->key, d->lim.leave);
}

static int start_container(struct json_doc *d, enum json_type type)
{
    size_t start = token(d);
    struct json_node *n = NULL;

    if (d->depth >= d->lim.max_depth) {
        json_error_set(d->err, start, "nested deeper than %u levels", d->lim.max_depth);
        return fail(d, ERR_INVALID);
    }
    if (in_tree(d) && !add_node(d, type, start, &n)) {
        return 0;
    }
    if (d->depth == d->open_cap) {
        unsigned cap = d->open_cap ? d->open_cap * 2 : 64;
        struct open *more = realloc(d->open, cap * sizeof(*more));
        if (!more) {
            return fail(d, ERR_NOMEM);
        }
        d->open = more;
        d->open_cap = cap;
    }
    d->open[d->depth] = (struct open){n, NULL, type == JSON_OBJECT, is_left(d, n)};
    d->depth++;
    d->after = JSON_AFTER_OPEN;
    return 1;
}

static int on_start_map(void *ctx)
{
    return start_container(ctx, JSON_OBJECT);
}

static int on_start_array(void *ctx)
{
    return start_container(ctx, JSON_ARRAY);
}

static int on_end(void *ctx)
{
    struct json_doc *d = ctx;

    (void)token(d);
    d->depth--;
    struct json_node *n = d->open[d->depth].node;
    if (n) {
        n->raw.len = d->end - n->offset;
    }
    value_ended(d);
    return 1;
}

static const yajl_callbacks callbacks = {
    .yajl_null = on_null,
    .yajl_boolean = on_bool,
    .yajl_number = on_number,
    .yajl_string = on_string,
    .yajl_start_map = on_start_map,
    .yajl_map_key = on_key,
    .yajl_end_map = on_end,
    .yajl_start_array = on_start_array,
    .yajl_end_array = on_end,
};

int json_doc_new(struct json_doc **out)
{
    *out = calloc(1, sizeof(**out));
    return *out ? 0 : ERR_NOMEM;
}

void json_doc_free(struct json_doc *doc)
{
    if (!doc) {
        return;
    }
    arena_drop(doc);
    free(doc->open);
    free(doc->pool);
    free(doc);
}

static void explain(struct json_doc *d)
{
    struct json_stop stop = {
        .at = d->end,
        .after = d->after,
        .inside = d->depth > 0,
        .object = d->depth > 0 && d->open[d->depth - 1].object,
    };
    json_explain(d->text, &stop, d->err);
}

static int run_yajl(struct json_doc *d)
{
    yajl_alloc_funcs funcs = {pool_malloc, pool_realloc, pool_free, d};
    const unsigned char *bytes = (const unsigned char *)(d->text.len ? d->text.p : "");

    d->yajl = yajl_alloc(&callbacks, &funcs, d);
    /* Checked before, and strictly: yajl lets surrogates and long forms pass. */
    (void)yajl_config(d->yajl, yajl_dont_validate_strings, 1);
    yajl_status status = yajl_parse(d->yajl, bytes, d->text.len);
    if (status == yajl_status_ok && !d->complete) {
        /* A number at the very end, or the text is cut off. */
        d->finishing = true;
        (void)yajl_complete_parse(d->yajl);
    }
    yajl_free(d->yajl);
    d->yajl = NULL;
    pool_trim(d);
    return d->status;
}

int json_parse(struct json_doc *doc, struct str text, const struct json_limits *lim,
               const struct json_node **root, struct json_error *err)
{
    size_t at;

    arena_reset(doc);
    doc->text = text;
    doc->lim = *lim;
    doc->err = err;
    doc->status = 0;
    doc->finishing = doc->complete = false;
    doc->end = doc->nodes = 0;
    doc->depth = 0;
    doc->after = JSON_AFTER_NOTHING;
    doc->root = NULL;
    *root = NULL;
    json_error_set(err, 0, "%s", "");
    if (json_bad_byte(text, err)) {
        return ERR_INVALID;
    }
    if (pool_reset(doc)) {
        return ERR_NOMEM;
    }
    if (run_yajl(doc)) {
        return doc->status;
    }
    /* yajl takes an unfinished string behind the value for nothing at all. */
    for (at = doc->end; at < text.len && is_space(text.p[at]); at++) {
    }
    if (!doc->complete || at < text.len) {
        explain(doc);
        return ERR_INVALID;
    }
    *root = doc->root;
    return 0;
}
