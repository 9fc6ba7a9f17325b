#include "proto/wsframe.h"

#include "base/utf8.h"

#include <assert.h>

#define CONTROL_MAX 125

unsigned wsframe_header(uint8_t out[WSFRAME_HEADER_MAX], enum ws_opcode op, uint64_t payload_len)
{
    out[0] = (uint8_t)(0x80u | (unsigned)op);
    if (payload_len <= 125) {
        out[1] = (uint8_t)payload_len;
        return 2;
    }
    if (payload_len <= 0xFFFF) {
        out[1] = 126;
        out[2] = (uint8_t)(payload_len >> 8);
        out[3] = (uint8_t)(payload_len & 0xFF);
        return 4;
    }
    out[1] = 127;
    for (unsigned i = 0; i < 8; i++) {
        out[2 + i] = (uint8_t)(payload_len >> (56 - 8 * i) & 0xFF);
    }
    return 10;
}

void wsframe_add(struct strbuf *out, enum ws_opcode op, struct str payload)
{
    uint8_t header[WSFRAME_HEADER_MAX];

    assert(op < WS_CLOSE || payload.len <= CONTROL_MAX);
    strbuf_add(out, header, wsframe_header(header, op, payload.len));
    strbuf_addstr(out, payload);
}

void wsframe_add_text(struct strbuf *out, struct str payload)
{
    wsframe_add(out, WS_TEXT, payload);
}

void wsframe_add_close(struct strbuf *out, uint16_t code, struct str reason)
{
    char payload[2 + WSFRAME_REASON_MAX];
    size_t len = 0;

    if (code != 0) {
        payload[0] = (char)(code >> 8);
        payload[1] = (char)(code & 0xFF);
        len = utf8_clip(reason, WSFRAME_REASON_MAX);
        if (len > 0) {
            memcpy(payload + 2, reason.p, len);
        }
        len += 2;
    }
    wsframe_add(out, WS_CLOSE, (struct str){payload, len});
}
