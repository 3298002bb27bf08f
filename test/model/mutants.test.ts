import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { raftMutations } from '../mutants/raft.js';
import type { Found } from './search.js';

/** Some that are found soon, and in which scope; `npm run mutants` tries all. */
const quick = [
  ['vote-not-saved', 'votes'],
  ['votes-kept', 'votes'],
  ['small-quorum', 'votes'],
  ['pre-vote-raises-term', 'votes'],
  ['count-own-unsynced', 'term'],
  ['count-what-is-sent', 'term'],
  ['commit-by-one', 'term'],
  ['acknowledge-unsynced', 'term'],
  ['any-log-wins', 'bodies'],
  ['longest-log-wins', 'terms'],
  ['no-previous-check', 'terms'],
  ['no-check-quorum', 'cuts'],
  ['match-of-the-dead', 'wiped'],
  ['welcome-uncommitted', 'wiped'],
  ['unadmitted-votes', 'wiped'],
] as const;

function searchMutant(mutant: string, scope: string): Found {
  const hooks = new URL('../mutants/hooks.js', import.meta.url).href;
  const program = fileURLToPath(new URL('main.js', import.meta.url));
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', hooks, program, '--json', '--scope', scope, '--states', '20000'],
    { env: { ...process.env, LOGLOG_MUTANT: mutant }, encoding: 'utf8' },
  );
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout) as Found;
}

t.test('the search finds mutants by itself, and tells how', async (t) => {
  for (const [mutant, scope] of quick) {
    const { violation, states } = searchMutant(mutant, scope);
    t.ok(violation, `${mutant}: ${violation?.promise} after ${states} states`);
    t.ok((violation?.story.length ?? 0) > 0, 'there is a story');
  }
});

t.test('the search finds nothing in a mutant that changes nothing', async (t) => {
  const [harmless] = raftMutations.filter(({ harmful }) => !harmful);
  t.equal(searchMutant(harmless?.name ?? '', 'term').violation, null);
});
