/** One of the two connections between two nodes: it carries messages from one to the other. */
import type { NodeId } from '../../server/raft/types.js';
import type { Delay } from './delays.js';

export class PeerWay {
  readonly from: NodeId;
  readonly to: NodeId;
  /** Packets in this direction vanish. */
  isCut = false;
  /** In place of the network's. */
  delay: Delay | null = null;
  state: 'down' | 'connecting' | 'up' = 'down';
  /** Since when nothing comes of it, while it is up. */
  silentSinceMs: number | null = null;
  /** The sender's, as of this connection. */
  incarnation = 0;
  /** Counts the connections: what is on its way is lost with the one it is on. */
  connection = 0;
  /** When the last message arrives, of all that have been sent. */
  lastArrivalMs = 0;

  constructor(from: NodeId, to: NodeId) {
    this.from = from;
    this.to = to;
  }

  lose(): void {
    this.state = 'down';
    this.silentSinceMs = null;
    this.connection += 1;
  }
}
