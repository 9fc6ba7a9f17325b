#include "proto/problem.h"

#include "proto/json.h"

const char *problem_title(int status)
{
    static const struct {
        int status;
        const char *title;
    } titles[] = {
        {200, "OK"},
        {204, "No Content"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {411, "Length Required"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {426, "Upgrade Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
    };

    for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++) {
        if (titles[i].status == status) {
            return titles[i].title;
        }
    }
    return "Error";
}

void problem_add(struct strbuf *out, int status, const char *code, struct str detail)
{
    if (code) {
        strbuf_adds(out, "{\"type\":\"urn:fanfare:problem:");
        strbuf_adds(out, code);
        strbuf_adds(out, "\"");
    } else {
        strbuf_adds(out, "{\"type\":\"about:blank\"");
    }
    strbuf_adds(out, ",\"title\":");
    json_add_cstring(out, problem_title(status));
    strbuf_addf(out, ",\"status\":%d", status);
    if (code) {
        strbuf_adds(out, ",\"code\":");
        json_add_cstring(out, code);
    }
    strbuf_adds(out, ",\"detail\":");
    json_add_lossy(out, detail);
    strbuf_adds(out, "}\n");
}
