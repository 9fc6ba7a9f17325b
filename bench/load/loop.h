/* loop.h - one turn after the other. */
#ifndef BENCH_LOOP_H
#define BENCH_LOOP_H

#include <stdbool.h>
#include <stdint.h>

void loop_init(void);
/* Waits for events, no longer than until this time (0: until there are some), and
 * handles them. Fails the run if messages, answers or connections are awaited and
 * nothing has got on for --timeout. */
void loop_turn(int64_t until);
/* Runs until everything published is answered and with everybody, and then for a
 * moment more, in which nothing else may come. */
void loop_drain(void);
/* Waits for a command's line, without its line feed; NULL at the end of input. */
char *loop_line(void);

#endif
