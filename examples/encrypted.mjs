// encrypted.mjs - messages that the gateway cannot read (Node 18 or later; seal() and unseal() run
// in browsers as they are).
//
//     export CHANNEL_MASTER_KEY=$(openssl rand -base64 32)   # the application's, not the gateway's
//     node encrypted.mjs listen  http://127.0.0.1:8080 private-encrypted-orders.7
//     node encrypted.mjs publish http://127.0.0.1:8080 private-encrypted-orders.7 '{"total":99.99}'
//
// In GATEWAY_CREDENTIAL there may be a key or token for the gateway.
//
// Each channel has a key of its own, derived from the master key. The application gives it to those
// who may listen (see channelKeyFor), along with their token. `data` is then
//     {"nonce": base64 of 12 bytes, "ciphertext": base64 of AES-256-GCM with its tag}
// and authenticated together with the channel's name: what was sealed for one channel does not open
// in another. Types, ids, sizes and times stay visible to the gateway.

const { subtle } = globalThis.crypto ?? (await import("node:crypto")).webcrypto;
const utf8 = new TextEncoder();
const toBase64 = (bytes) => btoa(Array.from(bytes, (b) => String.fromCharCode(b)).join(""));
const fromBase64 = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

/** In the backend: the 32 bytes that a listener of this channel needs, in base64. */
export async function channelKeyFor(masterBase64, channel) {
  const raw = fromBase64(masterBase64);
  const master = await subtle.importKey("raw", raw, "HKDF", false, ["deriveBits"]);
  const info = utf8.encode(`fanfare example\n${channel}`);
  const how = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(32), info };
  return toBase64(new Uint8Array(await subtle.deriveBits(how, master, 256)));
}

const aes = (key, use) => subtle.importKey("raw", fromBase64(key), "AES-GCM", false, [use]);

/** What to publish as `data`. A nonce must not come twice under one key: it is random. */
export async function seal(key, channel, message) {
  const iv = globalThis.crypto.getRandomValues(new Uint8Array(12));
  const how = { name: "AES-GCM", iv, additionalData: utf8.encode(channel) };
  const plain = utf8.encode(JSON.stringify(message));
  const sealed = await subtle.encrypt(how, await aes(key, "encrypt"), plain);
  return { nonce: toBase64(iv), ciphertext: toBase64(new Uint8Array(sealed)) };
}

/** What was sealed; throws if anything of it was changed, or it is of another channel. */
export async function unseal(key, channel, data) {
  const how = { name: "AES-GCM", iv: fromBase64(data.nonce), additionalData: utf8.encode(channel) };
  const plain = await subtle.decrypt(how, await aes(key, "decrypt"), fromBase64(data.ciphertext));
  return JSON.parse(new TextDecoder().decode(plain));
}

// ---- the two commands ----

const credential = () => {
  const c = globalThis.process?.env.GATEWAY_CREDENTIAL;
  return c ? { Authorization: `Bearer ${c}` } : {};
};

export async function publish(gateway, channel, key, message) {
  const res = await fetch(`${gateway}/broadcast`, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...credential() },
    body: JSON.stringify({ channel, type: "sealed", data: await seal(key, channel, message) }),
  });
  if (!res.ok) throw new Error((await res.json()).detail);
  return res.json();
}

/** Yields what was sealed, for as long as the stream lasts. */
export async function* listen(gateway, channel, key, signal) {
  const res = await fetch(`${gateway}/events?channel=${encodeURIComponent(channel)}`, {
    headers: { Accept: "text/event-stream", ...credential() },
    signal,
  });
  if (!res.ok) throw new Error((await res.json()).detail);
  let text = "";
  for await (const part of res.body.pipeThrough(new TextDecoderStream())) {
    const lines = (text + part).split("\n");
    text = lines.pop();
    for (const line of lines.filter((l) => l.startsWith("data: "))) {
      const envelope = JSON.parse(line.slice(6));
      if (envelope.type === "sealed") yield await unseal(key, channel, envelope.data);
      else if (envelope.type === "fanfare.synced") yield { listening: channel };
    }
  }
}

const [, script, command, gateway, channel, json] = globalThis.process?.argv ?? [];
if (script?.endsWith("encrypted.mjs") && command) {
  const master = process.env.CHANNEL_MASTER_KEY;
  if (!master || !channel || !["listen", "publish"].includes(command)) {
    console.error("usage: CHANNEL_MASTER_KEY=… encrypted.mjs listen|publish URL CHANNEL [JSON]");
    process.exit(2);
  }
  const key = await channelKeyFor(master, channel);
  if (command === "publish") console.log(await publish(gateway, channel, key, JSON.parse(json)));
  else for await (const message of listen(gateway, channel, key)) console.log(message);
}
