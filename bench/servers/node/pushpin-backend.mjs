// The backend that pushpin asks what to do with a client: it holds streams and
// WebSockets open on the channels named in the query (GRIP, WebSocket-over-HTTP).
import { createServer } from "node:http";
import { listen } from "./common.mjs";

function event(type, content) {
  return `${type} ${Buffer.byteLength(content).toString(16).toUpperCase()}\r\n${content}\r\n`;
}

// A request that carries events of a WebSocket, of which only OPEN matters. The
// client knows that its subscription stands by "joined", which pushpin's handler
// sends after it has subscribed.
function webSocket(body, channels) {
  if (!body.startsWith("OPEN\r\n")) {
    return body.startsWith("CLOSE") || body.startsWith("DISCONNECT") ? body : "";
  }
  const control = (message) => event("TEXT", `c:${JSON.stringify(message)}`);
  const subscribe = channels.map((channel) => control({ type: "subscribe", channel }));
  const rest = [
    { type: "send-delayed", content: "joined", timeout: 60 },
    { type: "flush-delayed" },
  ];
  return `OPEN\r\n${[...subscribe, ...rest.map(control)].join("")}`;
}

const server = createServer((req, res) => {
  const url = new URL(req.url, "http://127.0.0.1");
  const channels = (url.searchParams.get("channels") ?? "bench").split(",");
  let body = "";
  req.setEncoding("latin1");
  req.on("data", (part) => {
    body += part;
  });
  req.on("end", () => {
    if (req.headers["content-type"] === "application/websocket-events") {
      res.writeHead(200, {
        "Content-Type": "application/websocket-events",
        "Sec-WebSocket-Extensions": "grip",
      });
      res.end(webSocket(body, channels));
      return;
    }
    res.writeHead(200, {
      "Content-Type": "text/event-stream",
      "Cache-Control": "no-store",
      "Grip-Hold": "stream",
      "Grip-Channel": channels.join(", "),
      "Grip-Keep-Alive": ":\\n\\n; format=cstring; timeout=30",
    });
    res.end("event: joined\ndata: {}\n\n");
  });
});
server.keepAliveTimeout = 0;
listen(server);
