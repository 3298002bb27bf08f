/** The programs that look for faults say what they can do, and what they cannot understand. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { repositoryRoot } from './repository.js';

const programs = {
  sim: 'sim/main.js',
  model: 'model/main.js',
  mutants: 'mutants/main.js',
  nemesis: 'nemesis/main.js',
  check: 'checker/check.js',
  bench: 'bench/main.js',
  scale: 'bench/scale/main.js',
  'brute-force': 'checker/brute-force.test.js',
} as const;
type Program = keyof typeof programs;

const defaults: readonly (readonly [Program, RegExp])[] = [
  ['sim', /--seconds <count> .*\(default: 60\) .*--mode <mode> .*"both", default: "survive"\)/],
  ['model', /--states <count> .*\(default: 1000000\) .*--scope <name> .*"election", "batch", /],
  ['mutants', /--only <name,\.\.\.> .* core, .*--seconds <count> .*\(default: \d+\)/],
  ['nemesis', /--nodes <count> .*default: "3"\) .*--faults <kind,\.\.\.> .* kill-leader, /],
  ['check', /Usage: check .*<file>/],
  ['bench', /--quick .*--rounds <count> .*\(default: 3\) .*--peers <name,\.\.\.> /],
  ['scale', /--only <part,\.\.\.> .* segments, sizes, readers .*--quick /],
  ['brute-force', /--seeds <first-last> .*\(default: 1-120000, env: SEEDS\)/],
];

const whole = /argument '.*' is invalid\. It is a whole number from \d+ to \d+\.$/;
const wrong: readonly (readonly [Program, readonly string[], RegExp])[] = [
  ...Object.keys(programs).map(
    (name) => [name as Program, ['--nonsense'], /unknown option '--nonsense'$/] as const,
  ),
  ['sim', ['--seed', 'x'], whole],
  ['sim', ['--seed', String(2 ** 32)], whole],
  ['sim', ['--seeds', '1-x'], whole],
  ['sim', ['--seeds', '2-1'], /It is a seed, or the first and the last of several\.$/],
  ['sim', ['--seeds', '1-2-3'], /It is a seed, or the first and the last of several\.$/],
  ['sim', ['--seconds', '0'], whole],
  ['sim', ['--blackouts', '1.5'], whole],
  ['sim', ['--mode', 'neither'], /Allowed choices are survive, halt, both\.$/],
  ['sim', ['--seed', '1', '--seeds', '1-2'], /'--seed.*' cannot be used with .*'--seed/],
  ['sim', ['--seconds', '60', '--blackouts', '1'], /cannot be used with/],
  ['sim', ['42'], /too many arguments/],
  ['model', ['--states', '-1'], whole],
  ['model', ['--scope', 'nothing'], /Allowed choices are election, .*, all\.$/],
  ['mutants', ['--seconds', ''], whole],
  ['mutants', ['--only', 'core,nothing'], /'nothing' is no mutant and no area\.$/],
  ['nemesis', ['--seconds', '1e3'], whole],
  ['nemesis', ['--nodes', '4'], /Allowed choices are 3, 5, 7\.$/],
  ['nemesis', ['--faults', 'fire'], /fire is no kind of fault\.$/],
  ['sim', ['--flips', '0'], whole],
  ['brute-force', ['--seeds', '5-3'], /It is a seed, or the first and the last of several\.$/],
  ['bench', ['--rounds', '0'], whole],
  ['bench', ['--only', 'nothing'], /'nothing'/],
  ['scale', ['--only', 'nothing'], /nothing is none of them/],
  ['check', [], /missing required argument 'file'$/],
  ['check', ['no-such-history'], /no such file or directory/],
  ['check', ['package.json'], /^error: package.json:1 is not a line of a history/],
];

function run(name: Program, args: readonly string[], variables: NodeJS.ProcessEnv = {}) {
  const path = fileURLToPath(new URL(`../${programs[name]}`, import.meta.url));
  return spawnSync(process.execPath, [path, ...args], {
    cwd: repositoryRoot,
    env: { ...process.env, ...variables },
    encoding: 'utf8',
  });
}

for (const [name, options] of defaults) {
  t.test(`${name} --help says what there is to choose`, async (t) => {
    const { status, stdout, stderr } = run(name, ['--help']);
    t.match({ status, stderr }, { status: 0, stderr: '' });
    t.match(stdout.replaceAll(/\s+/g, ' '), options);
  });
}

for (const [name, args, reason] of wrong) {
  t.test(`${[name, ...args].join(' ')} is refused in one line`, async (t) => {
    const { status, stderr } = run(name, args);
    t.equal(status, name === 'check' ? 2 : 1);
    t.match(stderr, /^error: [^\n]+\n$/);
    t.match(stderr.trimEnd(), reason);
  });
}

const wrongVariables: readonly (readonly [Program, NodeJS.ProcessEnv])[] = [
  ['brute-force', { SEEDS: 'x' }],
];

t.test('so is an environment variable that is no number', async (t) => {
  for (const [name, variables] of wrongVariables) {
    const { status, stderr } = run(name, [], variables);
    t.equal(status, 1);
    t.match(stderr, /^error: .* from env 'SEEDS' is invalid\. It is a whole number .*\.\n$/);
  }
});
