/* store.h - `fanfare store`: tools for a store that no gateway uses. */
#ifndef FF_FANFARE_STORE_H
#define FF_FANFARE_STORE_H

/* `argv[0]` is "store". Returns the exit status: 0, STATUS_FAILED, STATUS_USAGE. */
int store_main(int argc, char *const *argv);

#endif
