/**
 * What a client knows of its cluster: which nodes there are, where they answer, and which of them
 * leads. It learns from every status reply and every hint, and asks when somebody is in need.
 */
import type { Clock, RandomSource } from '../proto/clock.js';
import { assert, LogLogError } from '../proto/errors.js';
import { nodesMax } from '../proto/limits.js';
import type { LeaderChange, LogLogService, NodeStatus } from '../proto/service.js';
import { protocolVersion } from '../proto/service.js';
import { Backoff } from './backoff.js';
import { asLogLogError } from './retry.js';
import { reasonOf, Scope, untilAborted } from './scope.js';
import type { Connection, Transport } from './transport.js';

export interface Environment {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: RandomSource;
  /** Bodies from here on go to every node, smaller ones to the leader; 16 KiB by default. */
  readonly uploadedBodyBytesMin?: number;
}

export interface Member {
  readonly id: string;
  readonly address?: string;
}

export interface KnownLeader {
  readonly id?: string;
  readonly term: number;
}

interface Place {
  address: string;
  /** Whether the node itself has answered there, and not failed since. */
  proven: boolean;
}

const statusTimeoutMs = 1000;
/** Shorter than other waits: appends wait for what is asked for here. */
export const pollBackoffMsMax = 250;

export class Cluster {
  readonly environment: Environment;
  readonly #seeds: readonly string[];
  readonly #closing: Scope;
  readonly #connections = new Map<string, Connection>();
  readonly #polls = new Set<string>();
  readonly #failures = new Map<string, LogLogError>();
  readonly #places = new Map<string, Place>();
  /** By node: what it has said last of itself. */
  readonly #said = new Map<string, Pick<NodeStatus, 'role' | 'stalled'>>();
  readonly #listeners = new Set<() => void>();
  #clusterId: string | undefined;
  #nodeIds: readonly string[] = [];
  #leader: KnownLeader = { term: 0 };
  #broken: LogLogError | undefined;

  constructor(environment: Environment, seeds: readonly string[], clusterId?: string) {
    this.environment = environment;
    this.#seeds = seeds;
    this.#clusterId = clusterId;
    this.#closing = new Scope(environment.clock, 'the client', {});
  }

  get clusterId(): string | undefined {
    return this.#clusterId;
  }

  /** The index of a node is its bit in `uploadedTo`. Empty until one has answered. */
  get members(): readonly Member[] {
    return this.#nodeIds.map((id) => {
      const place = this.#places.get(id);
      return place === undefined ? { id } : { id, address: place.address };
    });
  }

  get leader(): KnownLeader {
    return this.#leader;
  }

  /** Set when the addresses given turn out not to be one cluster that this client can talk to. */
  get broken(): LogLogError | undefined {
    return this.#broken;
  }

  /** Resolves once a node has answered; until then it asks for ever. */
  async ready(signal: AbortSignal): Promise<void> {
    const backoff = new Backoff(this.environment.random, pollBackoffMsMax);
    const settled = () => this.#nodeIds.length > 0 || this.#broken !== undefined;
    while (!settled()) {
      this.refresh();
      await this.#until(settled, backoff.next(), signal);
    }
    if (this.#broken !== undefined) throw this.#broken;
  }

  /** Asks every node for its status, in the background; an address that still owes one is skipped. */
  refresh(): void {
    if (this.#closing.signal.aborted) return;
    const places = [...this.#places.values()].map((place) => place.address);
    for (const address of new Set([...this.#seeds, ...places])) void this.#poll(address);
  }

  /** Undefined while nobody has said where the node answers. */
  service(id: string): LogLogService | undefined {
    const place = this.#places.get(id);
    if (place === undefined || this.#closing.signal.aborted) return undefined;
    return this.#open(place.address);
  }

  /** What every request says, so that no other cluster can answer it. */
  identity(): { clusterId?: string } {
    return this.#clusterId === undefined ? {} : { clusterId: this.#clusterId };
  }

  noteLeader(change: LeaderChange): void {
    const { leader, term } = change;
    if (leader?.address !== undefined) this.#learnPlace(leader.id, leader.address);
    const known = this.#leader;
    if (term < known.term || (term === known.term && known.id !== undefined)) return;
    this.#leader = leader === undefined ? { term } : { id: leader.id, term };
    this.#changed();
  }

  /** The node did not answer at its address: another address may take its place. */
  noteUnreachable(id: string): void {
    const place = this.#places.get(id);
    if (place !== undefined) place.proven = false;
  }

  /** Calls back when the leader, an address or `broken` has changed, until the result is called. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Why each address given has not answered, for people. */
  describeFailures(): string {
    const reasons = this.#seeds.map(
      (address) => `${address}: ${this.#failures.get(address)?.message ?? 'no answer'}`,
    );
    return reasons.join('; ');
  }

  /** For people: that no node says it leads, and why that may be. Undefined if one does. */
  noLeader(): LogLogError | undefined {
    const reasons: string[] = [];
    for (const { id, address = '' } of this.members) {
      const failure = this.#failures.get(address)?.message;
      const { role, stalled } = this.#said.get(id) ?? {};
      if (failure === undefined && role === 'leader') return undefined;
      const reason = failure ?? stalled;
      if (reason !== undefined) reasons.push(`${id}: ${reason}`);
    }
    return new LogLogError('NO_LEADER', ['no node leads', ...reasons].join('; '));
  }

  close(error: LogLogError): void {
    this.#closing.abort(error);
    for (const connection of this.#connections.values()) connection.close();
    this.#connections.clear();
    this.#listeners.clear();
  }

  async #poll(address: string): Promise<void> {
    if (this.#polls.has(address)) return;
    this.#polls.add(address);
    const options = { timeoutMs: statusTimeoutMs };
    const { clock } = this.environment;
    const scope = new Scope(clock, `status of ${address}`, options, this.#closing.signal);
    try {
      const answer = this.#open(address).status(this.identity(), scope.signal);
      this.#fold(address, await untilAborted(answer, scope.signal));
      this.#failures.delete(address);
    } catch (error) {
      this.#noteFailure(address, asLogLogError(error));
    } finally {
      scope.end();
      this.#polls.delete(address);
    }
  }

  #fold(address: string, status: NodeStatus): void {
    const version = status.protocolVersion;
    if (version !== protocolVersion) {
      const message = `${address} speaks version ${version} of the protocol, not ${protocolVersion}`;
      throw new LogLogError('PROTOCOL_VERSION', message);
    }
    if (this.#clusterId !== undefined && status.clusterId !== this.#clusterId) {
      const message = `${address} belongs to cluster ${status.clusterId}, not ${this.#clusterId}`;
      throw new LogLogError('WRONG_CLUSTER', message);
    }
    assert(status.nodes.length <= nodesMax, 'a cluster has no more nodes than it may');
    this.#clusterId = status.clusterId;
    this.#nodeIds = status.nodes.map((node) => node.id);
    for (const node of status.nodes) {
      if (node.address !== undefined) this.#learnPlace(node.id, node.address);
    }
    const place = this.#places.get(status.nodeId);
    if (place === undefined || !place.proven) {
      this.#places.set(status.nodeId, { address, proven: true });
    }
    this.#said.set(status.nodeId, status);
    this.#dropConnections();
    this.noteLeader(status.leader);
    this.#changed();
  }

  #noteFailure(address: string, error: LogLogError): void {
    this.#failures.set(address, error);
    for (const place of this.#places.values()) {
      if (place.address === address) place.proven = false;
    }
    const isFatal = error.code === 'WRONG_CLUSTER' || error.code === 'PROTOCOL_VERSION';
    if (!isFatal || !this.#seeds.includes(address) || this.#broken !== undefined) return;
    this.#broken = error;
    this.#changed();
  }

  #learnPlace(id: string, address: string): void {
    const place = this.#places.get(id);
    if (place?.proven === true || place?.address === address) return;
    this.#places.set(id, { address, proven: false });
  }

  #open(address: string): LogLogService {
    let connection = this.#connections.get(address);
    if (connection === undefined) {
      connection = this.environment.transport.open(address);
      this.#connections.set(address, connection);
    }
    return connection.service;
  }

  #dropConnections(): void {
    const wanted = new Set(this.#seeds);
    for (const place of this.#places.values()) wanted.add(place.address);
    for (const [address, connection] of this.#connections) {
      if (wanted.has(address)) continue;
      connection.close();
      this.#connections.delete(address);
    }
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }

  /** Resolves when `condition` holds, looked at after every change, or after the delay. */
  #until(condition: () => boolean, delayMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(reasonOf(signal));
      const end = (settle: () => void) => {
        timer.cancel();
        unsubscribe();
        signal.removeEventListener('abort', onAbort);
        settle();
      };
      const onAbort = () => end(() => reject(reasonOf(signal)));
      const timer = this.environment.clock.after(delayMs, () => end(resolve));
      const unsubscribe = this.onChange(() => {
        if (condition()) end(resolve);
      });
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }
}
