/* messages.c */
#include "messages.h"

#include "bench.h"
#include "report.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    SHIFTS = 1024, /* the filler of a message begins at one of so many places */
    PREFIX = 64,
    LEAST_SLOTS = 1024,
};
#define LEAST_STREAM (UINT64_C(256) << 10)
#define MOST_STREAM (UINT64_C(1) << 30)

static struct messages *const m = &bench.messages;

/* ---- data ---- */

static size_t digits(char *to, uint64_t number)
{
    char reverse[20];
    size_t n = 0;
    do {
        reverse[n++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    for (size_t i = 0; i < n; i++) {
        to[i] = reverse[n - 1 - i];
    }
    return n;
}

static size_t put_prefix(char to[PREFIX], uint64_t n, uint32_t target)
{
    size_t len = 5;
    memcpy(to, "{\"n\":", 5);
    len += digits(to + len, n);
    memcpy(to + len, ",\"t\":", 5);
    len += 5;
    len += digits(to + len, target);
    memcpy(to + len, ",\"p\":\"", 6);
    return len + 6;
}

static uint32_t size_of(uint64_t n)
{
    unsigned i = m->n_eras - 1;
    while (m->eras[i].first > n) {
        i--;
    }
    return m->eras[i].size;
}

static const char *filler_of(uint64_t n)
{
    return m->filler + (n * 131) % SHIFTS;
}

void messages_data(uint64_t n, uint32_t target, struct buf *out)
{
    char prefix[PREFIX];
    size_t len = put_prefix(prefix, n, target);
    buf_add(out, prefix, len);
    buf_add(out, filler_of(n), size_of(n) - len - 2);
    buf_add(out, "\"}", 2);
}

static long difference(const char *a, const char *b, size_t n)
{
    if (memcmp(a, b, n) == 0) {
        return -1;
    }
    long i = 0;
    while (a[i] == b[i]) {
        i++;
    }
    return i;
}

long messages_compare(uint64_t n, uint32_t target, const char *data, size_t len)
{
    char prefix[PREFIX];
    size_t size = size_of(n), front = put_prefix(prefix, n, target);
    if (len < size) {
        return (long)len;
    }
    long at = difference(data, prefix, front);
    if (at >= 0) {
        return at;
    }
    at = difference(data + front, filler_of(n), size - front - 2);
    if (at >= 0) {
        return (long)front + at;
    }
    at = difference(data + size - 2, "\"}", 2);
    return at >= 0 ? (long)size - 2 + at : -1;
}

static void make_filler(void)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-_";
    uint64_t x = 88172645463325252ULL;
    m->filler = malloc(MOST_SIZE + SHIFTS);
    if (m->filler == NULL) {
        fail("out of memory");
    }
    for (size_t i = 0; i < MOST_SIZE + SHIFTS; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        m->filler[i] = letters[x >> 58];
    }
}

/* ---- slots ---- */

static void add_era(uint32_t size)
{
    if (m->n_eras > 0 && m->eras[m->n_eras - 1].size == size) {
        return;
    }
    m->eras = realloc(m->eras, (m->n_eras + 1) * sizeof(*m->eras));
    if (m->eras == NULL) {
        fail("out of memory");
    }
    m->eras[m->n_eras++] = (struct era){.first = m->published, .size = size};
}

static void make_slots(uint64_t most)
{
    uint64_t n = LEAST_SLOTS;
    while (n < most + 1) {
        n *= 2;
    }
    if (m->slots != NULL && m->slot_mask + 1 == n) {
        return;
    }
    free(m->slots);
    m->slots = calloc(n, sizeof(*m->slots));
    if (m->slots == NULL) {
        fail("out of memory");
    }
    m->slot_mask = n - 1;
}

struct slot *messages_next(uint32_t target, uint32_t receivers)
{
    if (under_way() > m->slot_mask) {
        fail("more messages are under way than this command said");
    }
    struct slot *s = slot_of(m->published++);
    *s = (struct slot){
        .start = NOWHERE,
        .end = NOWHERE,
        .link = NOWHERE,
        .due = bench.now,
        .left = receivers,
        .target = target,
    };
    if (receivers == 0) {
        m->finished++;
    }
    return s;
}

void messages_note_refused(uint64_t n)
{
    uint64_t *more = reallocarray(m->refused, m->n_refused + 1, sizeof(*more));
    if (more == NULL) {
        fail("out of memory");
    }
    m->refused = more;
    m->refused[m->n_refused++] = n;
}

/* How many are below n. */
static size_t refused_below(uint64_t n)
{
    size_t low = 0, high = m->n_refused;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (m->refused[middle] < n) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

uint64_t messages_refused(uint64_t from, uint64_t to)
{
    return refused_below(to) - refused_below(from);
}

/* ---- the stream ---- */

static void make_stream(uint64_t size)
{
    if (m->stream_size == size) {
        return;
    }
    if (m->stream != NULL) {
        munmap(m->stream, m->stream_size * 2);
    }
    int fd = memfd_create("bench-stream", MFD_CLOEXEC);
    char *p = MAP_FAILED;
    if (fd >= 0 && ftruncate(fd, (off_t)size) == 0) {
        p = mmap(NULL, size * 2, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }
    for (unsigned i = 0; p != MAP_FAILED && i < 2; i++) {
        if (mmap(p + i * size, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) ==
            MAP_FAILED) {
            p = MAP_FAILED;
        }
    }
    if (p == MAP_FAILED) {
        fail("no memory for %llu bytes of units", (unsigned long long)size);
    }
    close(fd);
    m->stream = p;
    m->stream_size = size;
}

void messages_prepare(uint32_t size, uint64_t most)
{
    if (size < LEAST_SIZE || size > MOST_SIZE) {
        fail_command("size must be %d to %d", LEAST_SIZE, MOST_SIZE);
    }
    uint64_t bytes = LEAST_STREAM;
    while (bytes < most * (size + UNIT_OVERHEAD)) {
        bytes *= 2;
    }
    if (bytes > MOST_STREAM) {
        fail_command("%llu messages of %u bytes under way are too much", (unsigned long long)most,
                     size);
    }
    if (m->filler == NULL) {
        make_filler();
    }
    add_era(size);
    make_slots(most);
    make_stream(bytes);
    messages_settle();
}

void messages_settle(void)
{
    m->oldest = m->known = m->published;
    clients_align();
}

void messages_unit(uint64_t first, unsigned count, const char *unit, size_t len)
{
    if (first != m->known) {
        return;
    }
    if (m->published - m->oldest > m->slot_mask) {
        m->oldest = m->published - m->slot_mask;
    }
    /* Make room; what is not with everybody yet is never overwritten. */
    while (m->oldest < m->known && m->stream_end + len - slot_of(m->oldest)->end > m->stream_size) {
        m->oldest++;
    }
    if (m->oldest > m->finished || len > m->stream_size) {
        fail("units of %zu bytes are longer than this program is made for", len);
    }
    memcpy(m->stream + (m->stream_end & (m->stream_size - 1)), unit, len);
    for (unsigned i = 0; i < count; i++) {
        slot_of(first + i)->end = m->stream_end + len;
    }
    slot_of(first)->start = m->stream_end;
    m->stream_end += len;
    m->known = first + count;
}

uint64_t messages_place(uint64_t n)
{
    if (n == m->known) {
        return m->stream_end;
    }
    return n > m->known || n < m->oldest ? NOWHERE : slot_of(n)->start;
}
