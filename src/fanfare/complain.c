#include "fanfare/complain.h"

#include <stdio.h>
#include <string.h>

void complain(const char *text)
{
    char line[512];
    snprintf(line, sizeof line - 1, "fanfare: %s", text);
    size_t len = strlen(line);
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f) {
            line[i] = '?';
        }
    }
    line[len] = '\n';
    fwrite(line, 1, len + 1, stderr);
}
