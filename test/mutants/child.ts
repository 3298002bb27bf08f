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

/** To tell why it ends. */
const graceMs = 5000;

/** Of what it prints, the end is kept. */
const outputCharactersMax = 2 ** 20;

/** `program` is seen from here. */
export function runMutant(
  mutant: string,
  program: string,
  args: readonly string[],
  limitMs: number,
): Promise<Ended> {
  const path = fileURLToPath(new URL(program, import.meta.url));
  const child = spawn(process.execPath, [...flags, '--import', hooks, path, ...args], {
    // A test that has found something need not go on.
    env: {
      ...process.env,
      LOGLOG_MUTANT: mutant,
      TAP_TIMEOUT: String(limitMs / 1000),
      TAP_BAIL: '1',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout = joined(stdout, text)));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr = joined(stderr, text)));
  // A test ends by itself at the limit, unless it hangs in a loop.
  const timer = setTimeout(() => child.kill('SIGKILL'), limitMs + graceMs);
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
