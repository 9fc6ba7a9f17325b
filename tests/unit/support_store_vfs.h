/* support_store_vfs.h - a VFS in front of SQLite's own whose calls fail when a
 * test wants them to: what a full, broken, locked or slow disk does, below
 * SQLite. One for a program; a test of Criterion is a program of its own. */
#ifndef FF_TESTS_SUPPORT_STORE_VFS_H
#define FF_TESTS_SUPPORT_STORE_VFS_H

#include <errno.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

enum fault_kind {
    FAULT_NONE,
    FAULT_FULL,        /* a write finds no room */
    FAULT_SHORT_WRITE, /* half of it is written, then there is no room */
    FAULT_IO,          /* any call: EIO */
    FAULT_SYNC,        /* only syncs: EIO */
    FAULT_BUSY         /* a lock cannot be had */
};

enum {
    OP_OPEN = 1,
    OP_READ = 2,
    OP_WRITE = 4,
    OP_SYNC = 8,
    OP_TRUNCATE = 16,
    OP_LOCK = 32,
    OP_SIZE = 64,
    OP_DELETE = 128
};

static struct {
    sqlite3_vfs vfs;
    sqlite3_vfs *real;
    atomic_int kind;
    atomic_bool lasting; /* not only one call, but all from then on */
    atomic_long left;    /* calls that may still pass */
    atomic_long failed;  /* calls that did not */
    atomic_long syncs;
    atomic_long sync_us; /* how long a sync takes longer */
    /* Looks on: before a write, truncation or deletion, after a sync. NULL: nobody does. */
    void (*watch)(int op, const char *name);
} shim;

struct shim_file {
    sqlite3_file base;
    sqlite3_file *real;
    const char *name; /* lives as long as the file is open */
};

static inline sqlite3_file *shim_real(sqlite3_file *f)
{
    return ((struct shim_file *)(void *)f)->real;
}

static inline void shim_watch(int op, sqlite3_file *f)
{
    const char *name = ((struct shim_file *)(void *)f)->name;

    if (shim.watch && name) {
        shim.watch(op, name);
    }
}

/* Which calls a kind of fault can hit. */
static inline int shim_ops(int kind)
{
    switch (kind) {
    case FAULT_FULL:
    case FAULT_SHORT_WRITE:
        return OP_WRITE;
    case FAULT_IO:
        return OP_OPEN | OP_READ | OP_WRITE | OP_SYNC | OP_TRUNCATE | OP_SIZE | OP_DELETE;
    case FAULT_SYNC:
        return OP_SYNC;
    case FAULT_BUSY:
        return OP_LOCK;
    default:
        return 0;
    }
}

static inline bool shim_fails(int op)
{
    int kind = atomic_load(&shim.kind);

    if (!(shim_ops(kind) & op)) {
        return false;
    }
    long left = atomic_fetch_sub(&shim.left, 1);
    if (left > 0 || (left < 0 && !atomic_load(&shim.lasting))) {
        return false;
    }
    atomic_fetch_add(&shim.failed, 1);
    errno = kind == FAULT_IO || kind == FAULT_SYNC ? EIO : ENOSPC;
    return true;
}

static inline int shim_close(sqlite3_file *f)
{
    int rc = shim_real(f)->pMethods ? shim_real(f)->pMethods->xClose(shim_real(f)) : SQLITE_OK;

    sqlite3_free(shim_real(f));
    return rc;
}
static inline int shim_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
    if (shim_fails(OP_READ)) {
        return SQLITE_IOERR_READ;
    }
    return shim_real(f)->pMethods->xRead(shim_real(f), p, n, at);
}
static inline int shim_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    shim_watch(OP_WRITE, f);
    if (shim_fails(OP_WRITE)) {
        int kind = atomic_load(&shim.kind);
        if (kind == FAULT_SHORT_WRITE) {
            (void)shim_real(f)->pMethods->xWrite(shim_real(f), p, n / 2, at);
        }
        return kind == FAULT_IO ? SQLITE_IOERR_WRITE : SQLITE_FULL;
    }
    return shim_real(f)->pMethods->xWrite(shim_real(f), p, n, at);
}
static inline int shim_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    shim_watch(OP_TRUNCATE, f);
    return shim_fails(OP_TRUNCATE) ? SQLITE_IOERR_TRUNCATE
                                   : shim_real(f)->pMethods->xTruncate(shim_real(f), size);
}
static inline int shim_sync(sqlite3_file *f, int flags)
{
    long us = atomic_load(&shim.sync_us);

    atomic_fetch_add(&shim.syncs, 1);
    if (us > 0) {
        usleep((useconds_t)us); /* what a slow disk does */
    }
    if (shim_fails(OP_SYNC)) {
        return SQLITE_IOERR_FSYNC;
    }
    int rc = shim_real(f)->pMethods->xSync(shim_real(f), flags);
    if (rc == SQLITE_OK) {
        shim_watch(OP_SYNC, f);
    }
    return rc;
}
static inline int shim_size(sqlite3_file *f, sqlite3_int64 *size)
{
    return shim_fails(OP_SIZE) ? SQLITE_IOERR_FSTAT
                               : shim_real(f)->pMethods->xFileSize(shim_real(f), size);
}
static inline int shim_lock(sqlite3_file *f, int level)
{
    return shim_fails(OP_LOCK) ? SQLITE_BUSY : shim_real(f)->pMethods->xLock(shim_real(f), level);
}
static inline int shim_unlock(sqlite3_file *f, int level)
{
    return shim_real(f)->pMethods->xUnlock(shim_real(f), level);
}
static inline int shim_check_lock(sqlite3_file *f, int *out)
{
    return shim_real(f)->pMethods->xCheckReservedLock(shim_real(f), out);
}
static inline int shim_control(sqlite3_file *f, int op, void *arg)
{
    return shim_real(f)->pMethods->xFileControl(shim_real(f), op, arg);
}
static inline int shim_sector(sqlite3_file *f)
{
    return shim_real(f)->pMethods->xSectorSize(shim_real(f));
}
static inline int shim_device(sqlite3_file *f)
{
    return shim_real(f)->pMethods->xDeviceCharacteristics(shim_real(f));
}

/* Version 1: no shared memory, so that a store that does not lock exclusively
 * cannot use the write-ahead log. */
static const sqlite3_io_methods shim_methods = {
    .iVersion = 1,
    .xClose = shim_close,
    .xRead = shim_read,
    .xWrite = shim_write,
    .xTruncate = shim_truncate,
    .xSync = shim_sync,
    .xFileSize = shim_size,
    .xLock = shim_lock,
    .xUnlock = shim_unlock,
    .xCheckReservedLock = shim_check_lock,
    .xFileControl = shim_control,
    .xSectorSize = shim_sector,
    .xDeviceCharacteristics = shim_device,
};

static inline int shim_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags,
                            int *out)
{
    struct shim_file *sf = (struct shim_file *)(void *)f;

    (void)vfs;
    sf->base.pMethods = NULL;
    sf->name = name;
    if (shim_fails(OP_OPEN)) {
        return SQLITE_CANTOPEN;
    }
    sf->real = sqlite3_malloc(shim.real->szOsFile);
    if (!sf->real) {
        return SQLITE_NOMEM;
    }
    memset(sf->real, 0, (size_t)shim.real->szOsFile);
    int rc = shim.real->xOpen(shim.real, name, sf->real, flags, out);
    if (rc != SQLITE_OK) {
        sqlite3_free(sf->real);
        return rc;
    }
    sf->base.pMethods = &shim_methods;
    return SQLITE_OK;
}

static inline int shim_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
    (void)vfs;
    if (shim.watch) {
        shim.watch(OP_DELETE, name);
    }
    return shim_fails(OP_DELETE) ? SQLITE_IOERR_DELETE : shim.real->xDelete(shim.real, name, sync);
}

/* The name to open a store with. */
static inline const char *shim_register(void)
{
    if (!shim.real) {
        shim.real = sqlite3_vfs_find(NULL);
        shim.vfs = *shim.real;
        shim.vfs.iVersion = 2;
        shim.vfs.zName = "faults";
        shim.vfs.szOsFile = sizeof(struct shim_file);
        shim.vfs.xOpen = shim_open;
        shim.vfs.xDelete = shim_delete;
        sqlite3_vfs_register(&shim.vfs, 0);
    }
    return "faults";
}

/* After `pass` more calls of its sort, one fails, or, lasting, all do. */
static inline void shim_break(enum fault_kind kind, long pass, bool lasting)
{
    atomic_store(&shim.kind, FAULT_NONE);
    atomic_store(&shim.left, pass);
    atomic_store(&shim.failed, 0);
    atomic_store(&shim.lasting, lasting);
    atomic_store(&shim.kind, kind);
}

static inline void shim_mend(void)
{
    atomic_store(&shim.kind, FAULT_NONE);
}

#endif
