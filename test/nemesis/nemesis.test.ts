import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { seededRandom } from '../log/seeded-random.js';
import { temporaryDirectory, until } from '../node/cluster.js';
import { NemesisCluster } from './cluster.js';
import { damageFile } from './faults/damage.js';
import { runNemesis } from './run.js';
import { Story } from './story.js';
import { Volumes } from './volumes.js';

const command = fileURLToPath(new URL('./main.js', import.meta.url));

async function directoryOf(test: Pick<typeof t, 'teardown'>): Promise<string> {
  const directory = await temporaryDirectory();
  test.teardown(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** Command lines of processes that name the directory: those of its nodes. Linux only. */
function nodesIn(directory: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((id) => {
      try {
        return readFileSync(`/proc/${id}/cmdline`, 'latin1').replaceAll('\0', ' ');
      } catch {
        return []; // it has ended meanwhile
      }
    })
    .filter((line) => line.includes(' serve ') && line.includes(directory));
}

t.test('a short run under faults keeps every promise', async (t) => {
  const result = await runNemesis({
    nodes: 3,
    seconds: 18,
    seed: 11,
    faults: ['kill', 'cut', 'wipe', 'rot'],
    writtenPerSecond: 150,
    directory: await directoryOf(t),
    keeps: false,
    mounts: false,
    signal: new AbortController().signal,
    onProgress: (line) => t.comment(line),
  });
  t.same(result.problems, []);
  t.match(result, { ok: true, lost: 0, duplicated: 0, reordered: 0 });
  t.ok(result.acknowledged > 0);
  for (const kind of ['kill', 'cut', 'wipe', 'rot'] as const) {
    t.ok(result.faults[kind] ?? 0, kind);
  }
});

t.test('a node that ends by itself is a problem, and is started again', async (t) => {
  const directory = await directoryOf(t);
  const story = new Story(join(directory, 'story.log'), () => undefined);
  const volumes = await Volumes.make(join(directory, 'nodes'), ['n1'], { areMounted: false });
  const cluster = await NemesisCluster.plan(1, [], volumes, directory, story);
  t.teardown(() => cluster.close());
  await cluster.create();
  const before = (await cluster.statuses()).get('n1')?.processId ?? 0;
  process.kill(before, 'SIGKILL');
  await until('another process', async () => {
    const now = (await cluster.statuses()).get('n1')?.processId;
    return now !== undefined && now !== before;
  });
  t.equal(story.problems.length, 1);
  t.match(story.problems[0], /n1 ended by itself while running: SIGKILL/);
});

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  const skip = process.platform !== 'linux' && 'processes are looked up in /proc';
  t.test(`no node outlives a run that ends by ${signal}`, { skip }, async (t) => {
    const directory = await directoryOf(t);
    const flags = ['--seconds', '60', '--faults', 'pause', '--keep', directory];
    const run = spawn(process.execPath, [command, ...flags], { stdio: 'ignore' });
    const ended = once(run, 'exit');
    await until('a stopped node', async () => {
      const story = await readFile(join(directory, 'story.log'), 'latin1').catch(() => '');
      return story.includes('pause: ') && !story.includes('healed');
    });
    t.equal(nodesIn(directory).length, 3);
    run.kill(signal);
    await ended;
    await until('the last node to end', () => nodesIn(directory).length === 0);
  });
}

t.test('damage changes one file, and says which', async (t) => {
  const directory = await directoryOf(t);
  const whole = Buffer.alloc(5000);
  for (let seed = 0; seed < 50; seed += 1) {
    for (const name of ['identity', 'hard-state']) await writeFile(join(directory, name), whole);
    const damage = await damageFile(
      directory,
      seed % 2 === 0 ? 'cut' : 'flipped',
      seededRandom(seed),
    );
    const changed: string[] = [];
    for (const name of ['identity', 'hard-state']) {
      if (!(await readFile(join(directory, name))).equals(whole)) changed.push(name);
    }
    t.equal(changed.length, 1);
    t.ok(damage?.what.startsWith(changed[0] ?? '?'), damage?.what ?? 'nothing');
  }
});
