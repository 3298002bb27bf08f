/** How two nodes make sure that they mean each other, before anything else is said. */
import type { NodeId, PeerState } from '../raft/types.js';
import type { PeerHello } from './peer-codec.js';

const peerProtocolVersion = 4;

/** From dialling, or from being dialled, until both hellos have been heard. */
export const handshakeMsMax = 2_000;

/** The WebSocket close code of a hello that is not accepted; the reason says why. */
export const refusedCloseCode = 4001;

/** What a node says of itself. */
export interface PeerIdentity {
  readonly clusterId: string;
  readonly nodeId: NodeId;
  /** Where it serves clients; asked for at every handshake, as is what follows. */
  readonly clientAddress: () => string;
  readonly state: () => PeerState;
}

export function helloOf(identity: PeerIdentity): PeerHello {
  const { clusterId, nodeId } = identity;
  return {
    protocolVersion: peerProtocolVersion,
    clusterId,
    nodeId,
    clientAddress: identity.clientAddress(),
    ...identity.state(),
  };
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
