/** What the output of tests (TAP) says about the files of tests that ran in one process. */
import type { Ended } from './child.js';

export function passedComment(file: string, ranMs: number): string {
  return `${file} passed in ${Math.ceil(ranMs)} ms`;
}

/** How long each file took that has passed, in milliseconds. */
export function passedIn({ stdout }: Ended): ReadonlyMap<string, number> {
  const comments = stdout.matchAll(/^# (\S+) passed in (\d+) ms$/gm);
  return new Map(Array.from(comments, ([, file = '', ranMs]) => [file, Number(ranMs)]));
}

/** The first promise that was not kept. */
export function failureIn({ exitCode, stdout, stderr }: Ended): string {
  const [before = ''] = stdout.split(/^ *not ok /m, 1);
  const name = /.*^ *# Subtest: (.*?)$/ms.exec(before)?.[1];
  if (exitCode === null) return `does not end: ${name ?? 'its first test'}`;
  return name ?? stderr.trim().split('\n')[0] ?? `exit code ${exitCode}`;
}
