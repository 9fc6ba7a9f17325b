#include "proto/problem.h"

#include <criterion/criterion.h>

Test(problem, titles)
{
    cr_expect_str_eq(problem_title(400), "Bad Request");
    cr_expect_str_eq(problem_title(404), "Not Found");
    cr_expect_str_eq(problem_title(422), "Unprocessable Content");
    cr_expect_str_eq(problem_title(426), "Upgrade Required");
    cr_expect_str_eq(problem_title(503), "Service Unavailable");
    cr_expect_str_eq(problem_title(799), "Error");
}

Test(problem, bodies)
{
    struct strbuf sb = STRBUF_INIT;

    problem_add(&sb, 404, NULL, STR_LIT("no such client"));
    cr_expect(str_eqz(strbuf_str(&sb), "{\"type\":\"about:blank\",\"title\":\"Not Found\","
                                       "\"status\":404,\"detail\":\"no such client\"}\n"));
    strbuf_reset(&sb);
    problem_add(&sb, 400, "wrong_type", STR_LIT("\"type\" \\ \r\n\0end"));
    cr_expect(str_eqz(strbuf_str(&sb),
                      "{\"type\":\"urn:fanfare:problem:wrong_type\",\"title\":\"Bad Request\","
                      "\"status\":400,\"code\":\"wrong_type\","
                      "\"detail\":\"\\\"type\\\" \\\\ \\r\\n\\u0000end\"}\n"));
    strbuf_reset(&sb);
    problem_add(&sb, 400, NULL, STR_LIT("cut \xE2\x82"));
    cr_expect(str_eqz(strbuf_str(&sb),
                      "{\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,"
                      "\"detail\":\"cut \xEF\xBF\xBD\xEF\xBF\xBD\"}\n"));
    strbuf_fini(&sb);
}
