/* metrics.h - counters, one set a thread, summed by the reader.
 *
 * Only the owning thread writes a set (plain relaxed stores, no locked
 * instruction); any thread may read. */
#ifndef FF_STAT_METRICS_H
#define FF_STAT_METRICS_H

#include "base/strbuf.h"

#include <stdatomic.h>
#include <stdint.h>

enum metric {
#define METRIC(id, kind, name, help) METRIC_##id,
#include "stat/metrics.def"
#undef METRIC
    METRIC_COUNT
};

struct metrics {
    _Atomic uint64_t v[METRIC_COUNT];
};

static inline void metrics_add(struct metrics *m, enum metric id, uint64_t n)
{
    uint64_t v = atomic_load_explicit(&m->v[id], memory_order_relaxed);
    atomic_store_explicit(&m->v[id], v + n, memory_order_relaxed);
}
static inline void metrics_inc(struct metrics *m, enum metric id)
{
    metrics_add(m, id, 1);
}
static inline void metrics_dec(struct metrics *m, enum metric id)
{
    metrics_add(m, id, UINT64_MAX);
}

/* Sum of one metric over n sets. */
uint64_t metrics_sum(const struct metrics *const *sets, unsigned n, enum metric id);
/* Prometheus text format 0.0.4 of all metrics: HELP, TYPE, value. */
void metrics_add_prometheus(struct strbuf *out, const struct metrics *const *sets, unsigned n);
/* Members of a JSON object, `"published":12,...`, without braces. */
void metrics_add_json(struct strbuf *out, const struct metrics *const *sets, unsigned n);

#endif
