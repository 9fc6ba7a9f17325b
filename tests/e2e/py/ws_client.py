"""A subscriber written with Debian's python3-websocket, driven by ws-python.test.mjs.

It says each step on standard output as one JSON line, and reads what to do next
from standard input, so that neither side has to wait for time to pass.
"""

import json
import sys

import websocket


def say(**what):
    print(json.dumps(what), flush=True)


def reply(ws, op):
    ws.send(json.dumps(op))
    return json.loads(ws.recv())


def main():
    url, channel = sys.argv[1:3]
    ws = websocket.create_connection(url, timeout=20, subprotocols=["fanfare.v1"])
    say(step="connected", subprotocol=ws.getsubprotocol(), status=ws.getstatus(),
        greeting=[json.loads(ws.recv()), json.loads(ws.recv())])
    say(step="subscribed",
        reply=reply(ws, {"op": "subscribe", "channel": channel, "ref": "py"}))

    sys.stdin.readline()  # published
    say(step="message", raw=ws.recv())

    ws.ping("from python")
    opcode, payload = ws.recv_data(control_frame=True)
    say(step="pong", opcode=opcode, payload=payload.decode())

    # A message that is cut into frames, and text outside of the BMP.
    first = '{"op":"message","ref":"\U0001f389","da'
    ws.send_frame(websocket.ABNF.create_frame(first, websocket.ABNF.OPCODE_TEXT, 0))
    ws.send_frame(websocket.ABNF.create_frame('ta":1}', websocket.ABNF.OPCODE_CONT, 1))
    say(step="fragments", reply=json.loads(ws.recv()))

    say(step="unsubscribed",
        reply=reply(ws, {"op": "unsubscribe", "channel": channel, "ref": 2}))

    # ws.close() hides the answer; this shows it.
    ws.send_close(1000, b"done")
    opcode, payload = ws.recv_data(control_frame=True)
    end = ws.sock.recv(1)
    say(step="closed", opcode=opcode, code=int.from_bytes(payload[:2], "big"),
        eof=end == b"")
    ws.shutdown()

    again = websocket.create_connection(url, timeout=20)
    again.recv()
    again.close()  # the library's own closing handshake
    say(step="closed again", connected=again.connected)


if __name__ == "__main__":
    main()
