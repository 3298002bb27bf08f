/** Where the log begins and ends, as the cluster as a whole has it. */
import type { EndReply } from '../proto/service.js';
import { ask } from './call.js';
import type { Cluster } from './cluster.js';
import { Scope } from './scope.js';

const attemptTimeoutMs = 2000;
const recentMs = 5000;

export class Bounds {
  readonly #cluster: Cluster;
  readonly #closing: AbortSignal;
  #recent: { readonly atMs: number; readonly end: Promise<number | undefined> } | undefined;

  constructor(cluster: Cluster, closing: AbortSignal) {
    this.#cluster = cluster;
    this.#closing = closing;
  }

  /** `linearizable`: everything acknowledged before the call counts; else some node's own word. */
  end(linearizable: boolean, signal: AbortSignal): Promise<EndReply> {
    return ask(this.#cluster, signal, {
      what: 'the end of the log',
      route: { type: linearizable ? 'leader' : 'any' },
      attemptTimeoutMs,
      ask: (service, attempt) =>
        service.end({ linearizable, ...this.#cluster.identity() }, attempt),
    });
  }

  /** The first offset that is kept. */
  async start(signal: AbortSignal): Promise<number> {
    const status = await ask(this.#cluster, signal, {
      what: 'the start of the log',
      route: { type: 'any' },
      attemptTimeoutMs,
      ask: (service, attempt) => service.status(this.#cluster.identity(), attempt),
    });
    return status.firstOffset;
  }

  /** A linearizable end some seconds old at most, shared by all who ask; undefined if not known. */
  recentEnd(): Promise<number | undefined> {
    const { clock } = this.#cluster.environment;
    const nowMs = clock.monotonicMs();
    if (this.#recent === undefined || nowMs - this.#recent.atMs >= recentMs) {
      this.#recent = { atMs: nowMs, end: this.#askRecentEnd() };
    }
    return this.#recent.end;
  }

  async #askRecentEnd(): Promise<number | undefined> {
    const { clock } = this.#cluster.environment;
    const scope = new Scope(clock, 'the recent end', { timeoutMs: recentMs }, this.#closing);
    try {
      return (await this.end(true, scope.signal)).end;
    } catch {
      // Without a quorum nobody can tell, and there is nothing new to miss.
      return undefined;
    } finally {
      scope.end();
    }
  }
}
