/* POST /broadcast: one publication, a batch as an array, a batch as lines. What is
 * accepted is what is published, each item is judged as it would be alone, and a
 * subscriber sees events that are whole. Input: a byte for the form (0 to 2), one
 * for the size of pieces, then the body. */
#include "support_http.h"

#include "http_read.h"

static struct json_doc *doc;

static const char *const types[] = {"application/json", "application/json", "application/x-ndjson"};

static char *post(const char *type, struct str body, size_t piece)
{
    struct strbuf sb = STRBUF_INIT, got = STRBUF_INIT;
    int fd = http_connect();

    strbuf_addf(&sb,
                "POST /broadcast HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\n"
                "Content-Length: %zu\r\n\r\n",
                type, body.len);
    strbuf_addstr(&sb, body);
    for (size_t at = 0; at < sb.len;) {
        size_t n = piece && piece < sb.len - at ? piece : sb.len - at;
        ssize_t sent = send(fd, sb.data + at, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN) {
            break;
        }
        at += sent > 0 ? (size_t)sent : 0;
        http_turn();
    }
    (void)http_read(fd, &got);
    close(fd);
    FUZZ_CHECK(answers_check(doc, strbuf_str(&got), false) == 1);
    strbuf_fini(&sb);
    return strbuf_steal(&got, NULL);
}

static uint64_t member(const struct json_node *root, const char *name)
{
    const struct json_node *n = json_get(root, name);
    uint64_t v = 0;

    FUZZ_CHECK(n && json_uint(n, 100000, &v), "no %s", name);
    return v;
}

/* Its items that were accepted, and their number in the answer, are the same. */
static unsigned check_batch(const char *answer)
{
    const struct json_limits lim = {.max_depth = 100, .tree_depth = 5, .max_nodes = 100000};
    const struct json_node *root, *list;
    struct json_error err;
    unsigned good = 0;

    FUZZ_CHECK(json_parse(doc, str_of(http_body(answer)), &lim, &root, &err) == 0, "%s", err.text);
    list = json_get(root, "results");
    FUZZ_CHECK(list && list->type == JSON_ARRAY);
    for (const struct json_node *n = list->child; n; n = n->next) {
        const struct json_node *error = json_get(n, "error");
        FUZZ_CHECK((error != NULL) == (json_get(n, "cursor") == NULL));
        good += error == NULL;
        if (error) {
            FUZZ_CHECK(member(error, "status") >= 400 && json_get(error, "code"));
        }
    }
    FUZZ_CHECK(member(root, "accepted") == good);
    FUZZ_CHECK(member(root, "accepted") + member(root, "refused") == list->count);
    return good;
}

/* The lines of the body, each alone. */
static unsigned count_alone(struct str body)
{
    struct fuzz_in in = {(const uint8_t *)body.p, body.len};
    unsigned good = 0;

    while (in.n) {
        struct str line = fuzz_line(&in);
        line.len -= line.len && line.p[line.len - 1] == '\r';
        size_t blank = 0;
        while (blank < line.len && (line.p[blank] == ' ' || line.p[blank] == '\t')) {
            blank++;
        }
        if (blank < line.len && line.p[blank] != '[') {
            char *a = post(types[0], line, 0);
            good += http_status(a) == 200;
            free(a);
        }
    }
    return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size < 6000 ? size : 6000};
    unsigned form = fuzz_byte(&in) % 3;
    size_t piece = fuzz_byte(&in);
    struct str body = fuzz_rest(&in);
    struct strbuf got = STRBUF_INIT;
    unsigned accepted = 0;

    if (!doc) {
        FUZZ_CHECK(json_doc_new(&doc) == 0);
    }
    http_start();
    rig_set(http.r, "max-batch", "20");
    int fd = http_stream("/events?channel=%3E&userId=ann", "", NULL);
    char *a = post(types[form], body, piece);
    bool batch = http_status(a) == 200 && str_starts(str_of(http_body(a)), STR_LIT("{\"results\""));
    if (batch) {
        accepted = check_batch(a);
    } else if (http_status(a) == 200) {
        FUZZ_CHECK(http.published > 0 && form != 2);
    } else {
        FUZZ_CHECK(http.published == 0, "refused and published: %s", a);
    }
    FUZZ_CHECK(http.published >= accepted);
    free(a);
    (void)http_read(fd, &got);
    answer_events(doc, strbuf_str(&got));
    close(fd);
    http_stop();
    if (batch && form == 2) {
        http_start();
        unsigned alone = count_alone(body);
        /* An id that stands twice, or waits for its answer, makes a difference. */
        FUZZ_CHECK(alone == accepted || memmem(body.p, body.len, "id", 2) ||
                       memchr(body.p, '[', body.len) || memmem(body.p, body.len, "\\u", 2),
                   "%u alone, %u together", alone, accepted);
        http_stop();
    }
    strbuf_fini(&got);
    return 0;
}
