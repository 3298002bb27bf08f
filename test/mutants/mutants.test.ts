import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import t from 'tap';
import { mutations } from './mutants.js';
import { mutate } from './mutation.js';
import { totalsOf } from './outcome.js';
import { rules } from './rules.js';

/** Parses modules without running them, which Node.js offers behind a flag. */
const parser = `
  import vm from 'node:vm';
  import { text } from 'node:stream/consumers';
  const problems = JSON.parse(await text(process.stdin)).flatMap(({ name, source }) => {
    try {
      new vm.SourceTextModule(source);
      return [];
    } catch (error) {
      return [name + ': ' + error.message];
    }
  });
  console.log(JSON.stringify(problems));`;

function problemsOf(modules: readonly { name: string; source: string }[]): string[] {
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--experimental-vm-modules', '--input-type=module', '--eval', parser],
    { input: JSON.stringify(modules), encoding: 'utf8', maxBuffer: 2 ** 24 },
  );
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout) as string[];
}

t.test('every mutant has its one place in the compiled code, and is still a program', async (t) => {
  const mutated = mutations.map((mutation) => {
    const source = readFileSync(new URL(`../../${mutation.file}`, import.meta.url), 'utf8');
    return { name: mutation.name, source: mutate(source, mutation) };
  });
  t.same(problemsOf(mutated), []);
  t.equal(problemsOf([{ name: 'broken', source: 'const = 1;' }]).length, 1, 'it would be noticed');
});

t.test('a place that is missing, or not the only one, is refused', async (t) => {
  const [mutation] = mutations;
  if (mutation === undefined) throw new Error('there are mutants');
  t.throws(() => mutate('', mutation), /0 places/);
  t.throws(() => mutate(mutation.find.repeat(2), mutation), /2 places/);
});

t.test('names are unique', async (t) => {
  t.equal(new Set(mutations.map(({ name }) => name)).size, mutations.length);
});

t.test('every rule is broken by a mutant, and some mutants break none', async (t) => {
  const broken = new Set(mutations.flatMap((one) => (one.harmful ? [one.rule] : [])));
  t.same([...broken].toSorted(), Object.keys(rules).toSorted());
  t.ok(mutations.filter(({ harmful }) => harmful).length >= 60);
  t.ok(mutations.filter(({ harmful }) => !harmful).length >= 5);
});

t.test('only harmful mutants count, and only the simulation counts seeds', async (t) => {
  const harmful = mutations.filter((mutation) => mutation.harmful).slice(0, 4);
  const harmless = mutations.filter((mutation) => !mutation.harmful).slice(0, 1);
  const [first, second, third, fourth] = harmful;
  if (!first || !second || !third || !fourth) throw new Error('there are four');
  const bySimulation = (seeds: number) => ({ by: 'simulation' as const, words: '', seeds });
  const outcomes = [
    { mutation: first, caught: bySimulation(100) },
    { mutation: second, caught: bySimulation(3) },
    { mutation: third, caught: { by: 'test' as const, words: '' } },
    { mutation: fourth, caught: undefined },
    ...harmless.map((mutation) => ({ mutation, caught: bySimulation(1) })),
  ];
  t.same(totalsOf(outcomes), { mutants: 4, caught: 3, medianSeeds: 100 });
  t.same(totalsOf([]), { mutants: 0, caught: 0, medianSeeds: null });
});
