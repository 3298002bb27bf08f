/** One question to the cluster, asked again elsewhere until it is answered or out of time. */
import type { ErrorCode } from '../proto/errors.js';
import { assert, LogLogError } from '../proto/errors.js';
import type { LogLogService } from '../proto/service.js';
import { Backoff, backoffMsMax } from './backoff.js';
import type { Cluster } from './cluster.js';
import { asLogLogError, isNodeFault, mayPass } from './retry.js';
import { explained, reasonOf, Scope, sleep, untilAborted } from './scope.js';

/** Who is to answer: the leader if it can be found, any node, or one node and no other. */
export type Route =
  | { readonly type: 'leader' }
  | { readonly type: 'any' }
  | { readonly type: 'node'; readonly id: string };

export interface Question<Answer> {
  /** Begins the messages of errors. */
  readonly what: string;
  readonly route: Route;
  /** After this long without an answer another node is asked. */
  readonly attemptTimeoutMs: number;
  /** Answers, though a retry may help. */
  readonly finalCodes?: readonly ErrorCode[];
  ask(service: LogLogService, signal: AbortSignal): Promise<Answer>;
}

export async function ask<Answer>(
  cluster: Cluster,
  signal: AbortSignal,
  question: Question<Answer>,
): Promise<Answer> {
  const { clock, random } = cluster.environment;
  const backoff = new Backoff(random, backoffMsMax);
  const turns = new Turns(cluster, question.route);
  let last: LogLogError | undefined;
  try {
    for (;;) {
      await cluster.ready(signal);
      const id = turns.next();
      const result = await attempt(cluster, signal, question, id);
      if (result.type === 'answer') return result.answer;
      last = result.error;
      if (question.finalCodes?.includes(last.code) === true) throw last;
      turns.noteFailure(id, last);
      cluster.refresh();
      await sleep(clock, backoff.next(), signal);
    }
  } catch (error) {
    if (!signal.aborted || last === undefined) throw error;
    // All nodes together know more than the one that was asked last.
    const noLeader = last.code === 'NO_LEADER' ? cluster.noLeader() : undefined;
    throw explained(reasonOf(signal), noLeader ?? last);
  }
}

type Attempt<Answer> =
  | { readonly type: 'answer'; readonly answer: Answer }
  | { readonly type: 'failure'; readonly error: LogLogError };

async function attempt<Answer>(
  cluster: Cluster,
  signal: AbortSignal,
  question: Question<Answer>,
  id: string,
): Promise<Attempt<Answer>> {
  const service = cluster.service(id);
  if (service === undefined) {
    const message = `${question.what}: the address of node ${id} is not known`;
    return { type: 'failure', error: new LogLogError('UNAVAILABLE', message) };
  }
  const options = { timeoutMs: question.attemptTimeoutMs };
  const what = `${question.what} at node ${id}`;
  const scope = new Scope(cluster.environment.clock, what, options, signal);
  try {
    const answer = question.ask(service, scope.signal);
    return { type: 'answer', answer: await untilAborted(answer, scope.signal) };
  } catch (error) {
    if (signal.aborted) throw error;
    cluster.noteUnreachable(id);
    return { type: 'failure', error: asLogLogError(error) };
  } finally {
    scope.end();
  }
}

/** Whose turn it is to be asked: each node once before any is asked twice. */
export class Turns {
  readonly #cluster: Cluster;
  readonly #route: Route;
  /** Nodes that failed in a way that does not pass by itself. */
  readonly #faulty = new Set<string>();
  #turn: number | undefined;
  #hinted: string | undefined;

  constructor(cluster: Cluster, route: Route) {
    this.#cluster = cluster;
    this.#route = route;
  }

  /** Throws UNKNOWN_NODE if the route names a node that the cluster does not have. */
  next(): string {
    const { members, leader, environment } = this.#cluster;
    if (this.#route.type === 'node') {
      checkMember(this.#cluster, this.#route.id);
      return this.#route.id;
    }
    const isFirst = this.#turn === undefined;
    this.#turn ??= Math.floor(environment.random.fraction() * members.length);
    const preferred = this.#hinted ?? (isFirst ? leader.id : undefined);
    this.#hinted = undefined;
    if (preferred !== undefined && this.#route.type === 'leader') return preferred;
    const member = members[this.#turn++ % members.length];
    assert(member !== undefined, 'a cluster that is ready has members');
    return member.id;
  }

  /** Throws the error if neither time nor another node can help. */
  noteFailure(nodeId: string, error: LogLogError): void {
    if (!mayPass(error)) throw error;
    if (isNodeFault(error)) this.#faulty.add(nodeId);
    const candidates = this.#route.type === 'node' ? 1 : this.#cluster.members.length;
    if (this.#faulty.size >= candidates) throw error;
    const leader = error.leader?.id;
    if (this.#cluster.members.some(({ id }) => id === leader)) this.#hinted = leader;
  }

  noteSuccess(): void {
    this.#faulty.clear();
  }
}

/** To the node named, or any. */
export function routeTo(nodeId: string | undefined): Route {
  return nodeId === undefined ? { type: 'any' } : { type: 'node', id: nodeId };
}

export function checkMember(cluster: Cluster, id: string): void {
  const ids = cluster.members.map((member) => member.id);
  if (ids.includes(id)) return;
  throw new LogLogError('UNKNOWN_NODE', `there is no node ${id}; there are ${ids.join(', ')}`);
}
