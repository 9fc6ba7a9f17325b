/* options_table.c - options.def as data. */
#include "conf/options.h"

#include <assert.h>
#include <string.h>

static const struct opt_info table[OPT_ID_COUNT] = {
#define OPTION(field, type, name, arg, def, min, max, flags, group, help) \
    [OPT_ID_##field] = {name, arg, def, group, help, OPT_##type, flags, min, max},
#include "conf/options.def"
#undef OPTION
};

const struct opt_info *options_info(enum opt_id id)
{
    assert((unsigned)id < OPT_ID_COUNT);
    return &table[id];
}

enum opt_id options_find(const char *name)
{
    unsigned id = 0;
    while (id < OPT_ID_COUNT && strcmp(table[id].name, name) != 0) {
        id++;
    }
    return (enum opt_id)id;
}
