/** The client's public entry. */
export type { AppendOptions } from './appender.js';
export type { Client, ClientOptions, PageOptions } from './client.js';
export { createClient } from './client.js';
export type { Environment } from './cluster.js';
export type { ConnectOptions } from './connect.js';
export { connect } from './connect.js';
export { grpcTransport } from './grpc-transport.js';
export type { ReadOptions } from './reader.js';
export type { CallOptions } from './scope.js';
export type { ClusterStatus, ReachableNode, UnreachableNode } from './status.js';
export type { Appended } from './submission.js';
export type { Connection, Transport } from './transport.js';
export { withLocalNode } from './transport.js';
export type { Position, Ticket, Writer, WriterOptions } from './writer.js';
