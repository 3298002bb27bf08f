/** How two nodes make sure that they mean each other, before anything else is said. */
import type { NodeId } from '../raft/types.js';
import type { PeerHello } from './peer-codec.js';

const peerProtocolVersion = 1;

/** From dialling, or from being dialled, until both hellos have been heard. */
export const handshakeMsMax = 2_000;

/** The WebSocket close code of a hello that is not accepted; the reason says why. */
export const refusedCloseCode = 4001;

/** What a node says of itself. */
export interface PeerIdentity {
  readonly clusterId: string;
  readonly nodeId: NodeId;
  readonly incarnation: number;
  /** Where it serves clients; asked for at every handshake. */
  readonly clientAddress: () => string;
}

export function helloOf(identity: PeerIdentity): PeerHello {
  const { clusterId, nodeId, incarnation } = identity;
  const clientAddress = identity.clientAddress();
  return { protocolVersion: peerProtocolVersion, clusterId, nodeId, incarnation, clientAddress };
}

/** Why a node with that hello is none to talk to, whatever its name; undefined if it is one. */
export function objectionTo(hello: PeerHello, identity: PeerIdentity): string | undefined {
  if (hello.protocolVersion !== peerProtocolVersion) {
    return `peer protocol ${hello.protocolVersion} instead of ${peerProtocolVersion}`;
  }
  if (hello.clusterId !== identity.clusterId) {
    return `another cluster: ${hello.clusterId} instead of ${identity.clusterId}`;
  }
  return undefined;
}
