// Certificates, made with the openssl program when a test needs them, and
// gateways that use them.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import tls from 'node:tls';
import { daemonFor, within } from './daemon.mjs';
import { RawConn } from './http.mjs';
import { poll } from './wait.mjs';

export class Certificates {
  /** The folder goes with the test. */
  constructor(t) {
    this.dir = mkdtempSync(path.join(os.tmpdir(), 'fanfare-tls-'));
    t.after(() => rmSync(this.dir, { recursive: true, force: true }));
  }

  file(name) {
    return path.join(this.dir, name);
  }

  #run(...args) {
    execFileSync('openssl', args, { cwd: this.dir, stdio: ['ignore', 'ignore', 'pipe'] });
  }

  #key(file) {
    this.#run('ecparam', '-genkey', '-name', 'prime256v1', '-noout', '-out', file);
  }

  /** A CA: name.crt and name.key. */
  ca(name, cn = name) {
    this.#key(`${name}.key`);
    this.#run(
      ...['req', '-x509', '-key', `${name}.key`, '-out', `${name}.crt`],
      ...['-days', '2', '-subj', `/CN=${cn}`],
    );
    return { crt: this.file(`${name}.crt`), pem: readFileSync(this.file(`${name}.crt`)) };
  }

  /** The request signed, to end at a time (x509 knows days only). */
  #signUntil(ca, name, until) {
    const dir = this.file(`${name}.ca`);
    mkdirSync(dir);
    writeFileSync(path.join(dir, 'index'), '');
    writeFileSync(path.join(dir, 'serial'), '1000\n');
    writeFileSync(path.join(dir, 'conf'), `[ca]\ndefault_ca=own\n[own]\ndatabase=${dir}/index\n`
      + `serial=${dir}/serial\nnew_certs_dir=${dir}\ndefault_md=sha256\npolicy=any\n`
      + 'email_in_dn=no\n[any]\ncommonName=supplied\n');
    this.#run('ca', '-batch', '-notext', '-config', path.join(dir, 'conf'), '-cert', `${ca}.crt`,
      '-keyfile', `${ca}.key`, '-in', `${name}.csr`, '-out', `${name}.crt`, '-enddate',
      `${new Date(until).toISOString().replace(/[-:T]|\.\d+/g, '')}`);
  }

  /** A certificate of that CA. */
  issue(ca, name, { cn = name, san = [], until } = {}) {
    const ext = san.length ? ['-addext', `subjectAltName=${san.join(',')}`] : [];
    this.#key(`${name}.key`);
    this.#run(
      ...['req', '-new', '-key', `${name}.key`, '-out', `${name}.csr`],
      ...['-subj', `/CN=${cn}`, ...ext],
    );
    if (until) this.#signUntil(ca, name, until);
    else this.#run(
      ...['x509', '-req', '-in', `${name}.csr`, '-CA', `${ca}.crt`, '-CAkey', `${ca}.key`],
      ...['-CAcreateserial', '-days', '2', '-copy_extensions', 'copy', '-out', `${name}.crt`],
    );
    return {
      crt: this.file(`${name}.crt`),
      key: this.file(`${name}.key`),
      options: {
        cert: readFileSync(this.file(`${name}.crt`)),
        key: readFileSync(this.file(`${name}.key`)),
      },
    };
  }

  has(name) {
    return existsSync(this.file(name));
  }
}

/** A gateway with TLS for `localhost`; `certs.ca('ca')` has signed. */
export async function tlsDaemonFor(t, { args = [], certs = new Certificates(t), ...rest } = {}) {
  const { pem } = certs.has('ca.crt') ? { pem: readFileSync(certs.file('ca.crt')) } : certs.ca('ca');
  const server = certs.issue('ca', 'server', {
    cn: 'localhost',
    san: ['DNS:localhost', 'IP:127.0.0.1'],
  });
  const d = await daemonFor(t, {
    ...rest,
    args: ['--tls-cert', server.crt, '--tls-key', server.key, ...args],
  });
  d.certs = certs;
  d.tls = { ca: pem };
  /** An address of --listen-plain, without TLS. */
  const ports = () => d.stderr
    .map((l) => /listening url=http:\/\/127\.0\.0\.1:(\d+)/.exec(l)?.[1])
    .filter(Boolean);
  // Its log need not have come as soon as its word on standard output.
  const plain = await poll(() => {
    const found = ports();
    return found.length >= args.filter((x) => x === '--listen-plain').length ? found : undefined;
  });
  d.plain = plain.map((port) => ({ host: '127.0.0.1', port: Number(port), url: d.url }));
  return d;
}

/** A connection of TCP to it, for what comes before TLS. */
export async function tcp(target) {
  const socket = net.connect({ host: '127.0.0.1', port: target.port, noDelay: true });
  socket.on('error', () => {});
  await within(
    10000,
    new Promise((resolve) => {
      socket.once('connect', resolve);
    }),
    'a connection',
  );
  return socket;
}

/** TLS on a connection on which something was said already. */
export async function secure(target, socket, options = {}) {
  const s = tls.connect({ socket, servername: 'localhost', ...target.tls, ...options });
  const conn = new RawConn(s);
  await within(
    10000,
    new Promise((resolve, reject) => {
      s.once('secureConnect', resolve);
      s.once('error', reject);
    }),
    'a handshake',
  );
  return conn;
}

/** Resolves to all that comes until the end; 'reset' if that is a reset. */
export function untilEnd(socket) {
  const parts = [];

  return within(
    20000,
    new Promise((resolve) => {
      socket.on('data', (x) => parts.push(x));
      socket.once('error', () => resolve('reset'));
      socket.once('end', () => resolve(Buffer.concat(parts).toString('latin1')));
      socket.once('close', () => resolve(Buffer.concat(parts).toString('latin1')));
    }),
    'the end of a connection',
  );
}

/** A counter or gauge of /stats or /metrics. */
export const metric = (text, name) => Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1]);
