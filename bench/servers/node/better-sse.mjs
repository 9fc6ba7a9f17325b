// better-sse: sessions in channels, as its guide to channels shows.
import { createChannel, createSession } from "better-sse";
import { listen, notFound, serve } from "./common.mjs";

const channels = new Map();

function channel(name) {
  let found = channels.get(name);
  if (found === undefined) {
    found = createChannel();
    channels.set(name, found);
  }
  return found;
}

function publish(to, data) {
  channel(to ?? "bench").broadcast(JSON.parse(data));
}

async function events(req, res, url) {
  if (url.pathname !== "/events") {
    notFound(req, res);
    return;
  }
  const session = await createSession(req, res, { keepAlive: 30000 });
  for (const name of (url.searchParams.get("channels") ?? "bench").split(",")) {
    channel(name).register(session);
  }
  // The client knows by it that it is in.
  session.push("joined", "joined");
}

listen(serve(publish, events));
