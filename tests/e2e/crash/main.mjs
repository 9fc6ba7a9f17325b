// script/crash: see tests/e2e/README.md, "The crash test".
import { parseArgs } from 'node:util';
import { CrashTest } from './run.mjs';

const usage = `usage: script/crash [--seconds N] [--seed S] [--clients N] [--rate N] [--dir DIR]

Kills the gateway with SIGKILL every few seconds while publishers publish and
clients are cut, and checks that every client gets exactly what was acknowledged.
Exits with 1 if not. --break drop|dup|swap spoils what one client got, to show
that the check bites.`;

function options() {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '60' },
      seed: { type: 'string' },
      clients: { type: 'string', default: '30' },
      rate: { type: 'string', default: '400' },
      dir: { type: 'string' },
      break: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) {
    console.log(usage);
    process.exit(0);
  }
  const whole = (name) => {
    if (!/^[1-9]\d{0,8}$/.test(values[name])) throw new Error(`--${name} is a number from 1 on`);
    return Number(values[name]);
  };
  if (values.break !== undefined && !['drop', 'dup', 'swap'].includes(values.break)) {
    throw new Error('--break is drop, dup or swap');
  }
  values.seed ??= String(1 + (Date.now() % 1000000));
  return {
    seconds: whole('seconds'),
    seed: whole('seed'),
    clients: whole('clients'),
    rate: whole('rate'),
    dir: values.dir,
    sabotage: values.break,
  };
}

let opts;
try {
  opts = options();
} catch (e) {
  console.error(`${e.message}\n\n${usage}`);
  process.exit(2);
}
const { seconds, seed } = opts;
console.log(`crash test: ${seconds} s, seed ${seed}`);
const test = new CrashTest(opts);
let broke = null;
try {
  await test.run();
} catch (e) {
  broke = e;
  test.abandon();
}
console.log(test.report());
for (const [kind, list] of Object.entries(test.faults)) {
  for (const text of list.slice(0, 10)) console.log(`FAULT (${kind}): ${text}`);
  if (list.length > 10) console.log(`FAULT (${kind}): and ${list.length - 10} more`);
}
if (broke) {
  console.log(`FAULT: ${broke.stack}`);
  if (test.gateway.daemon) console.log(test.gateway.daemon.tail(40));
}
const idle =
  seconds >= 15 && (test.gateway.kills === 0 || !test.followers.some((f) => f.replayed > 0));
if (idle) console.log('FAULT: nothing was killed, or nothing replayed: this run shows nothing');
const ok = !broke && test.ok && !idle;
if (ok && opts.dir === undefined) test.clean();
else console.log(`the database is in ${test.dir}`);
console.log(ok ? 'crash test: passed' : `crash test: FAILED (--seed ${seed})`);
process.exit(ok ? 0 : 1);
