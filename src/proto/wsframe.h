/* wsframe.h - unmasked server frames (RFC 6455 5.2). */
#ifndef FF_PROTO_WSFRAME_H
#define FF_PROTO_WSFRAME_H

#include "base/strbuf.h"

#include <stdint.h>

enum ws_opcode { WS_CONT = 0, WS_TEXT = 1, WS_BINARY = 2, WS_CLOSE = 8, WS_PING = 9, WS_PONG = 10 };

#define WSFRAME_HEADER_MAX 10
#define WSFRAME_REASON_MAX 123

/* Writes the header of a final frame; returns its length (2, 4 or 10). */
unsigned wsframe_header(uint8_t out[WSFRAME_HEADER_MAX], enum ws_opcode op, uint64_t payload_len);
/* A whole text frame. */
void wsframe_add_text(struct strbuf *out, struct str payload);
/* A whole frame of any opcode; control payloads are at most 125 bytes. */
void wsframe_add(struct strbuf *out, enum ws_opcode op, struct str payload);
/* A close frame; the reason is clipped to 123 bytes at a character. Code 0
 * gives an empty close. */
void wsframe_add_close(struct strbuf *out, uint16_t code, struct str reason);

#endif
