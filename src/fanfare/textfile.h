/* textfile.h - a whole file of text. */
#ifndef FF_FANFARE_TEXTFILE_H
#define FF_FANFARE_TEXTFILE_H

/* The file, or standard input for "-", up to `max` bytes, without the white space at its end;
 * NULL with a complaint. Freed with fanfare_secret_free. */
char *textfile_read(const char *path, unsigned max);

#endif
