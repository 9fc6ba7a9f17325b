// socket.io: io.emit to all, a room for each user or channel.
import { Server } from "socket.io";
import { listen, notFound, serve } from "./common.mjs";

function publish(to, data) {
  const message = JSON.parse(data);
  if (to === null) {
    io.emit("message", message);
  } else {
    io.to(to).emit("message", message);
  }
}

const server = serve(publish, notFound);
const io = new Server(server, { transports: ["websocket"], serveClient: false });

// As its page on memory usage says: the first request of a connection is not kept.
io.engine.on("connection", (rawSocket) => {
  rawSocket.request = null;
});

io.on("connection", (socket) => {
  const { rooms } = socket.handshake.auth;
  if (rooms !== undefined) {
    socket.join(rooms.split(","));
  }
  socket.emit("joined");
});

listen(server);
