#include "stat/metrics.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct metrics a;
static struct metrics b;
static const struct metrics *const sets[] = {&a, &b};

Test(metrics, sums_over_the_sets)
{
    metrics_inc(&a, METRIC_PUBLISHED);
    metrics_add(&b, METRIC_PUBLISHED, 41);
    cr_assert_eq(metrics_sum(sets, 2, METRIC_PUBLISHED), 42);
    cr_assert_eq(metrics_sum(sets, 1, METRIC_PUBLISHED), 1);
    cr_assert_eq(metrics_sum(sets, 0, METRIC_PUBLISHED), 0);
    cr_assert_eq(metrics_sum(sets, 2, METRIC_DELIVERED), 0);
}

Test(metrics, a_gauge_may_rise_here_and_fall_there)
{
    metrics_add(&a, METRIC_CLIENTS_WS, 3);
    metrics_dec(&b, METRIC_CLIENTS_WS);
    cr_assert_eq(metrics_sum(sets, 2, METRIC_CLIENTS_WS), 2);
    metrics_add(&a, METRIC_CLIENTS_WS, (uint64_t)-3); /* the sum is -1 for a moment */
    cr_assert_eq(metrics_sum(sets, 2, METRIC_CLIENTS_WS), 0);
    metrics_add(&a, METRIC_BYTES_SENT, UINT64_MAX); /* counters are as they are */
    cr_assert_eq(metrics_sum(sets, 2, METRIC_BYTES_SENT), UINT64_MAX);
}

Test(metrics, prometheus_text)
{
    metrics_add(&a, METRIC_CLIENTS_SSE, 5);
    metrics_add(&b, METRIC_PUBLISHED, 7);
    struct strbuf out = STRBUF_INIT;
    metrics_add_prometheus(&out, sets, 2);
    cr_assert_not(strbuf_failed(&out));
    const char *gauge = "# HELP fanfare_clients_sse SSE streams connected now\n"
                        "# TYPE fanfare_clients_sse gauge\n"
                        "fanfare_clients_sse 5\n";
    cr_assert_eq(strncmp(out.data, gauge, strlen(gauge)), 0, "%s", out.data);
    cr_assert_not_null(strstr(
        out.data,
        "\n# HELP fanfare_published_total Messages taken into "
        "the log, those included whose commit then failed\n# TYPE fanfare_published_total counter\n"
        "fanfare_published_total 7\n"));
    unsigned lines = 0;
    for (size_t i = 0; i < out.len; i++) {
        lines += out.data[i] == '\n';
    }
    cr_assert_eq(lines, 3 * METRIC_COUNT);
    cr_assert_eq(out.data[out.len - 1], '\n');
    strbuf_fini(&out);
}

/* The form that Prometheus and JSON both take as it is. */
Test(metrics, names_and_help_need_no_escaping)
{
    static const char *const text[][2] = {
#define METRIC(id, kind, name, help) {name, help},
#include "stat/metrics.def"
#undef METRIC
    };
    for (unsigned i = 0; i < METRIC_COUNT; i++) {
        const char *name = text[i][0];
        cr_assert_eq(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name), "%s", name);
        cr_assert_null(strpbrk(text[i][1], "\\\n\""), "%s", text[i][1]);
        for (unsigned k = 0; k < i; k++) {
            cr_assert_str_neq(name, text[k][0]);
        }
    }
}

Test(metrics, json_members)
{
    metrics_add(&a, METRIC_PUBLISHED, 12);
    struct strbuf out = STRBUF_INIT;
    metrics_add_json(&out, sets, 2);
    cr_assert_eq(out.data[0], '"');
    cr_assert_not_null(strstr(out.data, ",\"published\":12,"));
    cr_assert_eq(out.data[out.len - 1], '0');
    unsigned colons = 0;
    unsigned commas = 0;
    for (size_t i = 0; i < out.len; i++) {
        colons += out.data[i] == ':';
        commas += out.data[i] == ',';
    }
    cr_assert_eq(colons, METRIC_COUNT);
    cr_assert_eq(commas, METRIC_COUNT - 1);
    strbuf_fini(&out);
}
