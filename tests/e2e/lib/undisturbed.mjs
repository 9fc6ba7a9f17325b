// What bad input must not do: disturb others, leave something behind, or alarm.
import assert from 'node:assert/strict';
import { daemonFor } from './daemon.mjs';
import { publish } from './http.mjs';
import { Bystander } from './sse.mjs';
import { poll } from './wait.mjs';

/** Runs `body(d, check)`; `check` is called after each case. Afterwards the
 *  descriptors are as many as before and the log has no line above info. */
export async function undisturbed(t, options, body) {
  const d = await daemonFor(t, options);
  const bystander = await Bystander.open(d);
  await bystander.check(publish);
  const before = d.fds();
  await body(d, () => bystander.check(publish));
  await bystander.check(publish);
  await poll(() => (d.fds() <= before ? true : undefined), {
    what: () => `${before} descriptors as before, now ${d.fds()}`,
  });
  for (const line of d.stderr) {
    assert.match(
      line,
      /^\d{4}-\d\d-\d\dT\S+Z (error|warn|info|debug) +\S/,
      'the form of a log line',
    );
    assert.doesNotMatch(line, /^\S+ error /, 'bad input is no error of the gateway');
    assert.doesNotMatch(line, /[\x00-\x1f\x7f]/, 'outside bytes in the log');
  }
}

/** Runs all cases of a table and then fails with everything that was wrong. */
export async function forAll(cases, run) {
  const wrong = [];
  for (const [name, one] of cases) {
    try {
      await run(one, name);
    } catch (e) {
      wrong.push(`${name}: ${e.message.trim().slice(0, 400)}`);
    }
  }
  assert.ok(
    wrong.length === 0,
    `${wrong.length} of ${cases.length} cases:\n${wrong.join('\n---\n')}`,
  );
}
