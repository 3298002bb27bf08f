/**
 * The parts of a document that its tests run. A fenced block (`js` or `sh`) behind the comment
 * `<!-- test: run -->` is run; a block behind `<!-- test: output -->` is what that has to print.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

export interface Snippet {
  readonly language: 'js' | 'sh';
  readonly code: string;
  /** All that it prints, where the document says so. */
  readonly output?: string;
}

export interface SnippetResult {
  /** Null when it was stopped because it took too long. */
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** In the order of the document. Throws where a comment and what follows make no sense. */
export function snippetsIn(markdown: string): Snippet[] {
  const marked = /^<!-- test: (?<what>\w+) -->\n+```(?<language>\w*)\n(?<code>[^]*?)^```$/gm;
  const found = [...markdown.matchAll(marked)].map(({ groups = {} }) => groups);
  const comments = markdown.match(/<!-- *test/g) ?? [];
  if (found.length !== comments.length) throw new Error('a test comment without its block');
  const snippets: Snippet[] = [];
  for (const { what, language, code = '' } of found) {
    const last = snippets.at(-1);
    if (what === 'run' && (language === 'js' || language === 'sh')) {
      snippets.push({ language, code });
    } else if (what === 'output' && last !== undefined && last.output === undefined) {
      snippets.splice(-1, 1, { ...last, output: code });
    } else {
      throw new Error(`a ${language} block marked ${what} cannot be tested here`);
    }
  }
  return snippets;
}

/**
 * Runs a snippet in a directory, with the commands of the packages installed there, and ends
 * whatever it leaves running.
 */
export async function runSnippet(
  { language, code }: Snippet,
  directory: string,
  timeoutMs: number,
): Promise<SnippetResult> {
  const path = join(directory, language === 'js' ? 'snippet.mjs' : 'snippet.sh');
  await writeFile(path, code);
  const [command, ...args] = language === 'js' ? [process.execPath, path] : ['bash', '-eu', path];
  const commands = join(directory, 'node_modules', '.bin');
  const child = spawn(command, args, {
    cwd: directory,
    detached: true, // a process group of its own, so that all of it can be ended
    env: { ...process.env, PATH: `${commands}${delimiter}${process.env['PATH']}` },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const printed = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => (printed.stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (printed.stderr += chunk.toString()));
  const closed = once(child, 'close'); // nobody holds its output any more
  const timer = setTimeout(() => endGroup(child.pid), timeoutMs);
  const [exitCode] = (await once(child, 'exit')) as [number | null];
  clearTimeout(timer);
  endGroup(child.pid);
  await closed;
  return { exitCode, ...printed };
}

function endGroup(leader: number | undefined): void {
  if (leader === undefined) return;
  try {
    process.kill(-leader, 'SIGKILL');
  } catch (error) {
    const gone = error instanceof Error && 'code' in error && error.code === 'ESRCH';
    if (!gone) throw error;
  }
}
