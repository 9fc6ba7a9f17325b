/* playground_data.h - the pages of web/, put into the program by the build. */
#ifndef FF_HTTP_PLAYGROUND_DATA_H
#define FF_HTTP_PLAYGROUND_DATA_H

#include <stddef.h>

extern const unsigned char playground_html[]; /* NUL-terminated after len */
extern const size_t playground_html_len;
extern const unsigned char room_html[];
extern const size_t room_html_len;

#endif
