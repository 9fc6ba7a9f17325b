// What the small servers share: a publisher's endpoint and the READY line.
import { createServer } from "node:http";

// A server on a free port whose POST /publish?to=NAME hands the body over.
// Everything else is for `other`.
export function serve(publish, other) {
  const server = createServer((req, res) => {
    const url = new URL(req.url, "http://127.0.0.1");
    if (req.method !== "POST" || url.pathname !== "/publish") {
      other(req, res, url);
      return;
    }
    const parts = [];
    req.on("data", (part) => parts.push(part));
    req.on("end", () => {
      publish(url.searchParams.get("to"), Buffer.concat(parts));
      res.writeHead(204).end();
    });
  });
  // The publisher's connection and open streams live as long as the run.
  server.keepAliveTimeout = 0;
  server.requestTimeout = 0;
  return server;
}

export function listen(server) {
  server.listen({ host: "127.0.0.1", port: 0, backlog: 16384 }, () => {
    console.log(`READY ${server.address().port}`);
  });
}

export function notFound(req, res) {
  res.writeHead(404).end();
}
