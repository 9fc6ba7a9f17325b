/* complain.h - one line on standard error. */
#ifndef FF_FANFARE_COMPLAIN_H
#define FF_FANFARE_COMPLAIN_H

/* "fanfare: ..." and a line feed, whatever bytes the text has. */
void complain(const char *text);

#endif
