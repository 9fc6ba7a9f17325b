#include "stat/metrics.h"

#include <stdbool.h>

struct metric_info {
    const char *name;
    const char *help;
    bool counter;
};

#define IS_COUNTER true
#define IS_GAUGE false
static const struct metric_info info[METRIC_COUNT] = {
#define METRIC(id, kind, name, help) [METRIC_##id] = {name, help, IS_##kind},
#include "stat/metrics.def"
#undef METRIC
};

/* One thread may count up and another down, so that single sets wrap and only
 * the sum means something; caught between the two, a gauge reads as 0. */
uint64_t metrics_sum(const struct metrics *const *sets, unsigned n, enum metric id)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < n; i++) {
        sum += atomic_load_explicit(&sets[i]->v[id], memory_order_relaxed);
    }
    return !info[id].counter && sum > INT64_MAX ? 0 : sum;
}

void metrics_add_prometheus(struct strbuf *out, const struct metrics *const *sets, unsigned n)
{
    for (unsigned id = 0; id < METRIC_COUNT; id++) {
        const struct metric_info *m = &info[id];
        const char *end = m->counter ? "_total" : "";
        strbuf_addf(out, "# HELP fanfare_%s%s %s\n", m->name, end, m->help);
        strbuf_addf(out, "# TYPE fanfare_%s%s %s\n", m->name, end,
                    m->counter ? "counter" : "gauge");
        strbuf_addf(out, "fanfare_%s%s ", m->name, end);
        strbuf_add_u64(out, metrics_sum(sets, n, (enum metric)id));
        strbuf_addc(out, '\n');
    }
}

void metrics_add_json(struct strbuf *out, const struct metrics *const *sets, unsigned n)
{
    for (unsigned id = 0; id < METRIC_COUNT; id++) {
        strbuf_addf(out, "%s\"%s\":", id ? "," : "", info[id].name);
        strbuf_add_u64(out, metrics_sum(sets, n, (enum metric)id));
    }
}
