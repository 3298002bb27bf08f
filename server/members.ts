/** Who is in the cluster, where clients reach them, and who leads as far as this node knows. */
import type { LeaderHint, Outcome } from '../proto/errors.js';
import { LogLogError } from '../proto/errors.js';
import type { LeaderChange, NodeAddress } from '../proto/service.js';
import type { NodeId } from './raft/types.js';

export class Members {
  /** Sorted. */
  readonly ids: readonly NodeId[];
  readonly #ownId: NodeId;
  readonly #addresses = new Map<NodeId, string>();
  /** Made anew when one of them has changed: every status and many an event asks for it. */
  #listed: readonly NodeAddress[] | null = null;
  #leader: NodeId | null = null;
  #term = 0;

  constructor(ids: readonly NodeId[], ownId: NodeId) {
    this.ids = ids;
    this.#ownId = ownId;
  }

  /** Returns whether the leader, or the way to it, is another now. */
  leads(leader: NodeId | null, term: number): boolean {
    const changed = leader !== this.#leader || term !== this.#term;
    this.#leader = leader;
    this.#term = term;
    return changed;
  }

  /** Returns whether the way to the leader is another now. */
  address(id: NodeId, clientAddress: string): boolean {
    if (clientAddress === '' || this.#addresses.get(id) === clientAddress) return false;
    this.#addresses.set(id, clientAddress);
    this.#listed = null;
    return id === this.#leader;
  }

  get leader(): LeaderHint | undefined {
    if (this.#leader === null) return undefined;
    const address = this.#addresses.get(this.#leader);
    return { id: this.#leader, ...(address !== undefined && { address }) };
  }

  /** Why this node cannot do what only a leader can, and who can. */
  notLeader(outcome: Outcome = 'none'): LogLogError {
    const { leader } = this;
    if (leader === undefined) {
      return new LogLogError('NO_LEADER', 'no leader is known here', { outcome });
    }
    if (leader.id === this.#ownId) {
      return new LogLogError('NO_LEADER', 'leadership is on its way to another node', { outcome });
    }
    return new LogLogError('NOT_LEADER', `${leader.id} is the leader`, { outcome, leader });
  }

  get leaderChange(): LeaderChange {
    const { leader } = this;
    return { term: this.#term, ...(leader !== undefined && { leader }) };
  }

  get addresses(): readonly NodeAddress[] {
    this.#listed ??= this.ids.map((id) => {
      const address = this.#addresses.get(id);
      return { id, ...(address !== undefined && { address }) };
    });
    return this.#listed;
  }
}
