/** `loglog status`: what every node says of itself. */
import { Command } from 'commander';
import type { ClusterStatus } from '../index.js';
import type { ClusterOptions, JsonOption } from './options.js';
import { clusterOption, jsonOption, timeoutOption } from './options.js';
import { colour, Output } from './output.js';
import { withClient } from './session.js';
import { formatTable } from './table.js';

/** How long a node may take to answer before it counts as unreachable. */
const answerTimeoutMs = 3000;

type MemberStatus = ClusterStatus['nodes'][number];

export function statusCommand(): Command {
  return new Command('status')
    .description('show every node: its role, its offsets and where its batches came from')
    .addOption(jsonOption())
    .addOption(clusterOption())
    .addOption(timeoutOption('a node does not answer for this long (default: 3s)'))
    .action((options: ClusterOptions & JsonOption) =>
      withClient(options, async (client) => {
        const status = await client.status({ timeoutMs: options.timeout ?? answerTimeoutMs });
        const output = new Output(process.stdout);
        if (options.json) await output.line(JSON.stringify(statusJson(status)));
        else for (const line of statusLines(status)) await output.line(line);
        await output.flush();
      }),
    );
}

/** Names are stable (docs/OPERATIONS.md); of a node that does not answer most values are null. */
export function statusJson({ clusterId, leader, term, nodes }: ClusterStatus): object {
  return { clusterId, leader, term, nodes: nodes.map(memberJson) };
}

function memberJson(node: MemberStatus): object {
  const up = node.reachable ? node : undefined;
  return {
    id: node.id,
    address: node.address ?? null,
    pid: up?.processId ?? null,
    reachable: node.reachable,
    role: up?.role ?? null,
    term: up?.term ?? null,
    firstOffset: up?.firstOffset ?? null,
    durableOffset: up?.durableOffset ?? null,
    commitOffset: up?.commitOffset ?? null,
    endOffset: up?.endOffset ?? null,
    dataEnd: up?.dataEnd ?? null,
    chain: up?.chain ?? null,
    staged: up?.staged ?? null,
    residentBytes: up?.residentBytes ?? null,
    cpuMicros: up?.cpuMicros ?? null,
    peerBytesSent: up?.peerBytesSent ?? null,
    version: up?.version ?? null,
    incarnation: up?.incarnation ?? null,
    admitted: up?.admitted ?? null,
    repairs: up?.repairs ?? null,
    stalled: up?.stalled ?? null,
    error: node.reachable ? null : node.error.message,
  };
}

function statusLines({ clusterId, leader, term, nodes }: ClusterStatus): string[] {
  const table = formatTable([
    ['id', 'address', 'pid', 'role', 'term', 'first', 'durable', 'commit', 'chain', 'staged'],
    ...nodes.map(memberCells),
  ]);
  const leads = leader === null ? 'no leader' : `${leader} leads`;
  return [
    `cluster ${clusterId}`,
    `${leads}, term ${term}`,
    '',
    ...table,
    ...nodes.flatMap(trouble),
  ];
}

function trouble(node: MemberStatus): string[] {
  if (!node.reachable) return [colour(process.stdout, 'red', `${node.id}: ${node.error.message}`)];
  if (node.stalled === undefined) return [];
  return [colour(process.stdout, 'red', `${node.id} is read-only: ${node.stalled}`)];
}

function memberCells(node: MemberStatus): string[] {
  const address = node.address ?? '-';
  if (!node.reachable) return [node.id, address, '-', 'unreachable'];
  const { matchedBatches, inlinedBatches } = node.staged;
  const received = matchedBatches + inlinedBatches;
  return [
    node.id,
    address,
    String(node.processId),
    node.admitted ? node.role : 'joining',
    String(node.term),
    String(node.firstOffset),
    String(node.durableOffset),
    String(node.commitOffset),
    node.chain.slice(0, 8),
    received === 0 ? '-' : `${((100 * matchedBatches) / received).toFixed(1)} %`,
  ];
}
