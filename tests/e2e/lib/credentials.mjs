// Credentials of every sort, made as an application's own backend would make them.
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const b64 = (x) => Buffer.from(x).toString('base64url');

export const now = () => Math.floor(Date.now() / 1000);

/** A token; `header` and `sign` replace what is usual. */
export function token(secret, claims, { header = {}, sign } = {}) {
  const head = b64(JSON.stringify({ alg: 'HS256', typ: 'JWT', ...header }));
  const body = b64(typeof claims === 'string' ? claims : JSON.stringify(claims));
  const text = `${head}.${body}`;
  const signature = sign ? sign(text)
    : createHmac('sha256', secret).update(text).digest('base64url');
  return `${text}.${signature}`;
}

/** A backend's key and its entry in the keys file. */
export function key(id, permissions) {
  const text = `ffk_${id}_${randomBytes(32).toString('base64url')}`;
  const hash = createHash('sha256').update(text).digest('hex');
  const entry = [`[${id}]`, `secret = sha256:${hash}`,
    ...Object.entries(permissions).map(([k, v]) => `${k} = ${v}`)].join('\n');
  return { id, text, entry };
}

export const everything = {
  publish: 'all', users: 'yes', everyone: 'yes', read: 'yes', admin: 'yes', tickets: 'yes',
};

export function writeKeys(folder, keys, name = 'keys') {
  const path = join(folder, name);
  writeFileSync(path, `${keys.map((k) => k.entry).join('\n\n')}\n`, { mode: 0o600 });
  return path;
}

export function writeSecret(folder, name, text) {
  const path = join(folder, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

export function signChannel(secret, name, expiry = '') {
  const signature = createHmac('sha256', secret)
    .update(`fanfare channel\n${name}\n${expiry}`).digest('base64url');
  return `${name}~${expiry}~${signature}`;
}

export const bearer = (text) => ({ Authorization: `Bearer ${text}` });
