/** What happens in a run, in order: to a file for whoever investigates, problems to the result. */
import type { WriteStream } from 'node:fs';
import { createWriteStream } from 'node:fs';

/** A broken run repeats itself; the first problems tell what there is to tell. */
const problemsMax = 50;

export class Story {
  readonly problems: string[] = [];
  /** Injected so far. */
  faults = 0;
  readonly #file: WriteStream;
  readonly #startedAt = performance.now();
  readonly #onProblem: (text: string) => void;

  constructor(path: string, onProblem: (text: string) => void) {
    this.#file = createWriteStream(path);
    this.#onProblem = onProblem;
  }

  get elapsedMs(): number {
    return performance.now() - this.#startedAt;
  }

  note(text: string): void {
    this.#file.write(`${new Date().toISOString()} ${text}\n`);
  }

  /** Something that must not happen. The result is not ok. */
  problem(text: string, lines: readonly string[] = []): void {
    const at = (this.elapsedMs / 1000).toFixed(1);
    const full = [`at ${at} s: ${text}`, ...lines].join('\n  ');
    this.note(`PROBLEM ${full}`);
    if (this.problems.length >= problemsMax) return;
    this.problems.push(full);
    this.#onProblem(full);
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.#file.end(resolve));
  }
}
