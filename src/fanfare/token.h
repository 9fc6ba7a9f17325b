/* token.h - `fanfare token`: making and explaining the tokens of clients. */
#ifndef FF_FANFARE_TOKEN_H
#define FF_FANFARE_TOKEN_H

/* `argv[0]` is "token". Returns the exit status: 0, STATUS_FAILED (also: the token is not
 * valid), STATUS_USAGE. */
int token_main(int argc, char *const *argv);

/* `fanfare token check`; `argv[0]` is "check". */
int token_check_main(int argc, char *const *argv);

#endif
