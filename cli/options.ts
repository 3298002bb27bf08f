/** The options that several commands share, and what their values may look like. */
import { Option } from 'commander';
import { LogLogError } from '../proto/errors.js';

/** The three nodes of `loglog dev`, so that any of them may be down. */
export const defaultCluster = ['127.0.0.1:7600', '127.0.0.1:7610', '127.0.0.1:7620'];

/** How long commands of one question and one answer wait, and every command for its first node. */
export const callTimeoutMs = 10_000;

/** A day. */
const secondsMax = 86_400;

export interface ClusterOptions {
  readonly cluster: readonly string[];
  readonly timeout?: number;
}

export interface JsonOption {
  readonly json?: true;
}

export interface NodeOption {
  readonly node?: string;
}

export const clusterOption = () =>
  new Option('--cluster <host:port,...>', 'where nodes of the cluster serve clients')
    .env('LOGLOG_CLUSTER')
    .default(defaultCluster, defaultCluster.join(','))
    .argParser(parseAddresses);

export const nodeOption = () => new Option('--node <id>', 'ask this node only');

export const jsonOption = () => new Option('--json', 'one JSON object a line; errors as JSON too');

/** `what` completes "give up when …". */
export const timeoutOption = (what: string) =>
  new Option(
    '--timeout <duration>',
    `give up when ${what}: 500ms, 5s, 2m; a bare number is seconds`,
  ).argParser(parseDuration);

export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

export const logLevelOption = (level: LogLevel) =>
  new Option('--log-level <level>', 'the least that is logged, to stderr')
    .choices(logLevels)
    .default(level);

export function parseAddresses(text: string): string[] {
  const addresses = text.split(',').map((part) => part.trim());
  for (const address of addresses) checkAddress(address);
  return addresses;
}

/** `n1=host:port,n2=host:port` */
export function parsePeers(text: string): Record<string, string> {
  const peers = new Map<string, string>();
  for (const part of text.split(',')) {
    const [id, address, ...rest] = part.trim().split('=');
    if (id === undefined || id === '' || address === undefined || rest.length > 0) {
      throw invalid(`a node list is id=host:port,…, not '${text}'`);
    }
    if (peers.has(id)) throw invalid(`the node list names ${id} twice`);
    checkAddress(address);
    peers.set(id, address);
  }
  return Object.fromEntries(peers);
}

export function parseAddress(text: string): string {
  checkAddress(text);
  return text;
}

export function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535) throw invalid(`a port is a number from 1 to 65535, not '${text}'`);
  return port;
}

export function parseNodes(text: string): number {
  if (/^[1357]$/.test(text)) return Number(text);
  throw invalid(`a cluster has 1, 3, 5 or 7 nodes, not '${text}'`);
}

/** A whole number from 1; `what` completes "… is a whole number". */
export function parseCount(what: string, text: string, max: number): number {
  const count = /^\d+$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= max) return count;
  throw invalid(`${what} is a whole number from 1 to ${max}, not '${text}'`);
}

/** A bare number. */
export function parseSeconds(text: string): number {
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : 0;
  if (seconds > 0 && seconds <= secondsMax) return seconds;
  throw invalid(`seconds are a number above 0, up to ${secondsMax}, not '${text}'`);
}

/** Milliseconds. */
export function parseDuration(text: string): number {
  const [, digits, unit = 's'] = /^(\d+(?:\.\d+)?)(ms|s|m)?$/.exec(text) ?? [];
  const milliseconds = Math.round(Number(digits) * { ms: 1, s: 1000, m: 60_000 }[unit as 'ms']);
  // The longest that a timer can wait.
  if (!(milliseconds >= 1 && milliseconds < 2 ** 31)) {
    throw invalid(`a duration looks like 500ms, 5s or 2m, up to 24 days, not '${text}'`);
  }
  return milliseconds;
}

const byteUnits = {
  '': 1,
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
};

/** Bytes: `65536`, `64KiB`, `1MB`. */
export function parseBytes(text: string): number {
  const [, digits, unit = ''] = /^(\d+)\s*([KMG]i?B|B)?$/i.exec(text) ?? [];
  const bytes = Number(digits) * byteUnits[unit.toUpperCase() as keyof typeof byteUnits];
  if (!Number.isSafeInteger(bytes) || bytes < 1) {
    throw invalid(`a size looks like 65536, 64KiB or 1MB, not '${text}'`);
  }
  return bytes;
}

export function parseOffset(text: string): number {
  const offset = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(offset)) {
    throw new LogLogError(
      'OFFSET_INVALID',
      `an offset is a whole number from 0 to 2^53 - 1, not '${text}'`,
    );
  }
  return offset;
}

export function parsePosition(text: string): number | 'start' | 'end' {
  return text === 'start' || text === 'end' ? text : parseOffset(text);
}

export function parseLimit(text: string): number {
  const limit = /^\d+$/.test(text) ? Number(text) : 0;
  if (!Number.isSafeInteger(limit) || limit < 1) {
    throw new LogLogError('LIMIT_INVALID', `a limit is a whole number from 1, not '${text}'`);
  }
  return limit;
}

function checkAddress(text: string): void {
  const [, port] = /^(?:\[[^\]]+\]|[^:[\]\s]+):(\d{1,5})$/.exec(text) ?? [];
  if (port === undefined || Number(port) > 65_535) {
    throw invalid(`an address is host:port, not '${text}'`);
  }
}

function invalid(message: string): LogLogError {
  return new LogLogError('CONFIG_INVALID', message);
}
