/** A program of its own with one mutant in it. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface Ended {
  /** Null if it was killed because its time was over. */
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const hooks = new URL('hooks.js', import.meta.url).href;

/** A simulation takes a fifth less of its core with a large nursery and no threads to collect it. */
const flags = ['--expose-gc', '--single-threaded-gc', '--max-semi-space-size=64'];

/** Of what it prints, the end is kept: more than all plain tests of an area have to say. */
const outputCharactersMax = 2 ** 24;

export interface RunOptions {
  /** It is killed when it has printed nothing for so long. */
  readonly silenceMsMax: number;
  /** Files of plain tests for it, below `test`. */
  readonly tests?: readonly string[];
}

/** `program` is seen from here. */
export function runMutant(
  mutant: string,
  program: string,
  args: readonly string[],
  { silenceMsMax, tests = [] }: RunOptions,
): Promise<Ended> {
  const path = fileURLToPath(new URL(program, import.meta.url));
  const child = spawn(process.execPath, [...flags, '--import', hooks, path, ...args], {
    env: {
      ...process.env,
      LOGLOG_MUTANT: mutant,
      LOGLOG_TESTS: JSON.stringify(tests),
      // Tap's own limit is for all tests of the process together.
      TAP_TIMEOUT: '0',
      // A test that has found something need not go on.
      TAP_BAIL: '1',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), silenceMsMax);
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout = joined(stdout, text);
    timer.refresh();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr = joined(stderr, text)));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (exitCode) => {
      clearTimeout(timer);
      resolve({ exitCode, stdout, stderr });
    });
  });
}

function joined(before: string, text: string): string {
  return (before + text).slice(-outputCharactersMax);
}
