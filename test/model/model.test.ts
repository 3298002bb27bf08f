import t from 'tap';
import type { Choice } from './choices.js';
import { Cluster } from './cluster.js';
import { Frontier } from './frontier.js';
import { nodeIds } from './node.js';
import { scopes } from './scope.js';
import { search } from './search.js';
import type { Happening } from './step.js';
import { rename, renamings } from './symmetry.js';
import { Visited } from './visited.js';
import type { World } from './world.js';

/** For each scope; a few seconds of one core in all. Far more: see docs/TESTING.md. */
const statesMax = 20_000;

for (const scope of scopes) {
  t.test(`no promise is broken in the scope "${scope.name}"`, async (t) => {
    const isSmall = scope.name === 'election';
    const found = search(scope, isSmall ? 70_000 : statesMax);
    t.equal(found.violation, null);
    t.equal(found.exhausted, isSmall);
    t.ok(found.exhausted || found.states === statesMax, `${found.states} states`);
    t.comment(`${found.states} states, depth ${found.depth}, exhausted: ${found.exhausted}`);
  });
}

t.test('a search of one space finds the same states every time', async (t) => {
  const [scope] = scopes;
  if (scope === undefined) return t.fail('there are scopes');
  const first = search(scope, 20_000);
  t.strictSame(search(scope, 20_000), first);
});

function clusterIn(name: string): Cluster {
  const scope = scopes.find((candidate) => candidate.name === name);
  if (scope === undefined) throw new Error(`there is no scope ${name}`);
  return new Cluster(scope);
}

/** What comes of a choice of this type at a node, and of all links and messages behind it. */
function settled(cluster: Cluster, start: World, type: Happening['type'], index: number): World {
  const quiet = new Set(['deliver', 'relink', 'save', 'sync', 'report']);
  const isChosen = (choice: Choice) =>
    choice.index === index && cluster.happening(choice.happening).type === type;
  const seen = new Set<string>();
  let world = start;
  for (let next = after(cluster, start, isChosen); next !== undefined;) {
    cluster.check(next);
    seen.add(JSON.stringify(next));
    world = next;
    next = after(cluster, world, isQuiet, seen);
  }
  if (seen.size === 0) throw new Error(`nothing of the type ${type} can happen`);
  return world;

  function isQuiet({ happening, counted }: Choice): boolean {
    return counted === null && quiet.has(cluster.happening(happening).type);
  }
}

/** The first of what may follow that was not seen before: a late message can lead in a circle. */
function after(
  cluster: Cluster,
  world: World,
  isMeant: (choice: Choice) => boolean,
  seen: ReadonlySet<string> = new Set(),
): World | undefined {
  for (const choice of cluster.choices(world).filter(isMeant)) {
    const next = cluster.follow(world, choice);
    if (next !== null && !seen.has(JSON.stringify(next))) return next;
  }
  return undefined;
}

t.test('a node that lost what it promised is admitted again, and gets everything', async (t) => {
  for (const [name, type] of [
    ['readmitted', 'wipe'],
    ['lost', 'wipe'],
    ['older', 'putBack'],
  ] as const) {
    const cluster = clusterIn(name);
    const caughtUp = settled(cluster, cluster.start(), 'deliver', 2);
    const world = settled(cluster, caughtUp, type, 2);
    const [leader = 0, , renewed = 0] = world.nodes;
    const log = '1:1;1:1@c.2;';
    t.match(cluster.node(leader), { core: { role: { type: 'leader' } }, durable: log });
    t.match(cluster.node(renewed), { incarnation: 2, admitted: 2, durable: log }, name);
  }
});

t.test('states that differ in the names of nodes are one', async (t) => {
  const cluster = clusterIn('votes');
  const start = cluster.start();
  const timeouts = cluster
    .choices(start)
    .filter(({ happening }) => cluster.happening(happening).type === 'timeout');
  t.equal(timeouts.length, nodeIds.length);
  const prints = timeouts.map((choice) => {
    const next = cluster.follow(start, choice);
    return next && cluster.fingerprint(next);
  });
  t.strictSame(prints, [prints[0], prints[0], prints[0]]);
  t.notSame(prints[0], cluster.fingerprint(start));
});

t.test('a renaming changes names and nothing else, and lists of names keep an order', async (t) => {
  const [, , , turn = []] = renamings;
  const value = {
    id: 'a',
    granted: ['b', 'c'],
    links: [{ peer: 'b' }, { peer: 'c' }],
    vote: null,
    text: 'abc',
    chain: '1:1;2:1@c.2;',
    log: [1, { to: 'c' }],
  };
  t.strictSame(rename(value, turn), {
    id: 'b',
    granted: ['a', 'c'],
    links: [{ peer: 'a' }, { peer: 'c' }],
    vote: null,
    text: 'abc',
    chain: '1:1;2:1@a.2;',
    log: [1, { to: 'a' }],
  });
  t.equal(new Set(renamings.map((renaming) => renaming.join())).size, 6);
});

t.test('the visited states are exactly those that were added', async (t) => {
  const visited = new Visited(3000);
  const twin = new Set<string>();
  for (let count = 0; count < 6000; count += 1) {
    const low = (count * 7919) % 61;
    const high = (count * 104_729) % 47;
    t.equal(visited.add(low, high), !twin.has(`${low}/${high}`));
    // Two zeros stand for nothing, and are one with what they are replaced by.
    for (const key of low === 0 && high <= 1 ? ['0/0', '0/1'] : [`${low}/${high}`]) twin.add(key);
  }
  t.ok(visited.size > 2800);
});

t.test('states leave the frontier as they came, and in that order', async (t) => {
  const frontier = new Frontier();
  const worlds: World[] = Array.from({ length: 20_000 }, (_none, index) => ({
    nodes: [index, index + 1, index + 2],
    committed: index % 7,
    ledTerms: index % 5,
    counters: index * 3,
    wire: Array.from({ length: index % 40 }, (_item, parcel) => parcel * 2),
  }));
  const [first, ...rest] = worlds;
  if (first === undefined) return t.fail('there are states');
  frontier.push(first);
  t.strictSame(frontier.shift(), first);
  t.equal(frontier.shift(), null);
  for (const world of rest) frontier.push(world);
  const left = rest.filter((world) => JSON.stringify(frontier.shift()) !== JSON.stringify(world));
  t.strictSame(left, []);
  t.equal(frontier.shift(), null);
});
