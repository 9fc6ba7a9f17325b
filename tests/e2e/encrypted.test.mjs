// Messages that the gateway cannot read: examples/encrypted.mjs, as docs/security.md tells it, on
// both transports, live and out of history, and untouched to the byte.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import test from 'node:test';
import * as example from '../../examples/encrypted.mjs';
import { daemonFor } from './lib/daemon.mjs';
import { get, publish } from './lib/http.mjs';
import { listen } from './lib/wire.mjs';

const channel = 'private-encrypted-orders.7';
const secret = { total: 99.99, who: 'Änne', note: 'nobody else reads this' };

test('what is sealed passes untouched', async (t) => {
  const d = await daemonFor(t);
  const key = await example.channelKeyFor(randomBytes(32).toString('base64'), channel);
  const data = await example.seal(key, channel, secret);
  assert.ok(!JSON.stringify(data).includes('nobody'));
  const listeners = ['sse', 'ws'].map((transport) =>
    listen(t, d, { transport, channels: [channel] }),
  );
  for (const l of listeners) await l.take('fanfare.synced');
  await publish(d, { channel, type: 'sealed', data });
  const late = listen(t, d, { transport: 'sse', channels: [channel], history: 1 });
  for (const l of [...listeners, late]) {
    const event = (await l.upTo('sealed')).at(-1);
    assert.ok(event.text.includes(`"data":${JSON.stringify(data)}`), event.text);
    assert.deepEqual(await example.unseal(key, channel, event.data), secret);
  }
  const page = (await get(d, `/channels/${channel}/history`)).json;
  assert.deepEqual(page.messages[0].data, data);
});

test('what was changed, or sealed for another channel, does not open', async () => {
  const key = await example.channelKeyFor(randomBytes(32).toString('base64'), channel);
  const data = await example.seal(key, channel, secret);
  const other = await example.seal(key, channel, secret);
  assert.notEqual(data.ciphertext, other.ciphertext, 'the same message looks different twice');
  await assert.rejects(example.unseal(key, 'private-encrypted-orders.8', data));
  await assert.rejects(example.unseal(key, channel, { ...data, nonce: other.nonce }));
  const bytes = Buffer.from(data.ciphertext, 'base64');
  bytes[0] ^= 1;
  const changed = { ...data, ciphertext: bytes.toString('base64') };
  await assert.rejects(example.unseal(key, channel, changed));
});

test('the commands of the example', async (t) => {
  const d = await daemonFor(t);
  const key = await example.channelKeyFor(randomBytes(32).toString('base64'), channel);
  const stop = new AbortController();
  const stream = example.listen(d.url, channel, key, stop.signal);
  assert.deepEqual((await stream.next()).value, { listening: channel });
  await example.publish(d.url, channel, key, secret);
  assert.deepEqual((await stream.next()).value, secret);
  stop.abort();
  await assert.rejects(stream.next(), { name: 'AbortError' });
});
