/* key.h - `fanfare key`: the file of backend keys. */
#ifndef FF_FANFARE_KEY_H
#define FF_FANFARE_KEY_H

/* `argv[0]` is "key". Returns the exit status: 0, STATUS_FAILED, STATUS_USAGE. */
int key_main(int argc, char *const *argv);

#endif
