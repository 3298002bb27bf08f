/** What the links between nodes need to know. */
import type { Clock, RandomSource } from '../../proto/clock.js';
import type { Logger } from '../logger.js';
import type { NodeId } from '../raft/types.js';
import type { ClusterIntroduction } from './introduction.js';
import type { ListenAddress } from './listen.js';
import type { PeerIdentity } from './peer-handshake.js';

export interface Cluster extends ClusterIntroduction {
  readonly clusterId: string;
}

export interface WebSocketPeersOptions {
  readonly nodeId: NodeId;
  /** Where this node serves clients; asked for at every handshake. */
  readonly clientAddress: () => string;
  /** Undefined as long as this node does not know its cluster: until `start` at the latest. */
  readonly cluster: () => Cluster | undefined;
  readonly listen: ListenAddress;
  /** The other nodes, and where they listen as `host:port`. */
  readonly peers: ReadonlyMap<NodeId, string>;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly logger: Logger;
  /** Bytes that may wait for a peer besides one message; with more its link is cut. */
  readonly inflightBytesMax: number;
  /** The largest message, encoded. */
  readonly messageBytesMax: number;
}

/** What each link needs, once the transport has started. */
export type LinkOptions = WebSocketPeersOptions & PeerIdentity;
