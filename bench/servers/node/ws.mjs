// ws: the broadcast and the detection of broken connections of its README.
import WebSocket, { WebSocketServer } from "ws";
import { listen, notFound, serve } from "./common.mjs";

const users = new Map();

function publish(to, data) {
  if (to !== null) {
    const client = users.get(to);
    if (client?.readyState === WebSocket.OPEN) {
      client.send(data, { binary: false });
    }
    return;
  }
  wss.clients.forEach((client) => {
    if (client.readyState === WebSocket.OPEN) {
      client.send(data, { binary: false });
    }
  });
}

const server = serve(publish, notFound);
const wss = new WebSocketServer({ server, path: "/" });

wss.on("connection", (ws, req) => {
  ws.isAlive = true;
  ws.on("error", console.error);
  ws.on("pong", () => {
    ws.isAlive = true;
  });
  const user = new URL(req.url, "http://127.0.0.1").searchParams.get("user");
  if (user !== null) {
    users.set(user, ws);
    ws.on("close", () => users.get(user) === ws && users.delete(user));
  }
});

setInterval(() => {
  wss.clients.forEach((ws) => {
    if (!ws.isAlive) {
      ws.terminate();
      return;
    }
    ws.isAlive = false;
    ws.ping();
  });
}, 30000);

listen(server);
