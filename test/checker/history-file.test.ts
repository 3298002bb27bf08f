import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import t from 'tap';
import { seededRandom } from '../log/seeded-random.js';
import type { History } from './history.js';
import { readHistory, writeHistory } from './history-file.js';
import { randomHistory } from './random-history.js';

const command = fileURLToPath(new URL('check.js', import.meta.url));

async function temporaryFile(t: Test): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'loglog-history-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  return join(directory, 'history.jsonl');
}

function someHistory(seed: number): History {
  return randomHistory(seededRandom(seed), { operations: 3000, sessions: 10, delayMsMax: 10 });
}

function runCheck(...args: readonly string[]): Promise<{ readonly code: unknown; output: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [command, ...args], (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : error.code, output: stdout + stderr });
    });
  });
}

t.test('a history comes back from its file as it was', async (t) => {
  const path = await temporaryFile(t);
  for (let seed = 1; seed <= 5; seed += 1) {
    const history = someHistory(seed);
    await writeHistory(path, history);
    t.same(await readHistory(path), history, `seed ${seed}`);
  }
  await writeHistory(path, { operations: [], final: [] });
  t.same(await readHistory(path), { operations: [], final: [] }, 'an empty one too');
});

t.test('a line that is none of a history is named', async (t) => {
  const path = await temporaryFile(t);
  await writeHistory(path, someHistory(1));
  const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
  const bad = [
    '',
    'null',
    '[]',
    '{"type":"append"}',
    '{"type":"end","session":"a","calledAt":1,"returnedAt":2,"dataEnd":"3","linearizable":true}',
    '{"type":"wait","session":"a","calledAt":1,"returnedAt":2,"offset":0,"waitMs":1,"outcome":"?"}',
    '{"type":"batch","batch":{"offset":0,"end":9,"entries":[{"offset":4}]}}',
    lines[6]?.slice(0, -1) ?? '',
  ];
  for (const line of bad) {
    await writeFile(path, lines.with(6, line).join('\n'));
    const expected = { code: 'INVALID_ARGUMENT', message: /:7 is not a line of a history/ };
    await t.rejects(readHistory(path), expected, line);
  }
});

t.test('the command says what is broken', async (t) => {
  const path = await temporaryFile(t);
  const history = someHistory(1);
  await writeHistory(path, history);
  const fine = await runCheck(path);
  t.equal(fine.code, 0);
  t.match(fine.output, /^3000 operations, \d+ batches, 0 violations\n$/);

  const end = history.final.at(-1)?.end ?? 0;
  const phantom = { offset: end, end: end + 9, entries: [{ offset: end, fingerprint: 'nobody' }] };
  await writeHistory(path, { ...history, final: [...history.final, phantom] });
  const broken = await runCheck(path);
  t.equal(broken.code, 1);
  t.match(broken.output, /^phantom: nobody appended nobody/);
  t.match(broken.output, /, 1 violations\n$/);

  t.equal((await runCheck()).code, 2, 'a file has to be given');
  t.equal((await runCheck(`${path}.none`)).code, 2, 'and has to be there');
});
