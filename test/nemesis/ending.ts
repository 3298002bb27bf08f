/** What is looked at when all faults are healed: the log of every node, and every directory. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { verifyPage } from '../../client/page.js';
import { mainFile } from '../../cli/processes.js';
import type { Client } from '../../index.js';
import { LogLogError } from '../../index.js';
import { batchEnd } from '../../proto/batch.js';
import { entriesOf } from '../../proto/entries.js';
import type { FinalBatch } from '../checker/history.js';
import type { NemesisCluster } from './cluster.js';
import type { Contents } from './content.js';
import type { Story } from './story.js';

const pageBytes = 2 ** 20;
const pageTimeoutMs = 10_000;

/** Every data batch of the log; it is a problem if a node has other bytes, or does not give any. */
export async function readFinalLog(
  { control, ids }: NemesisCluster,
  contents: Contents,
  story: Story,
): Promise<readonly FinalBatch[]> {
  const { end } = await control.end();
  let final: readonly FinalBatch[] | undefined;
  const digests = new Set<string>();
  for (const node of ids) {
    const digest = createHash('sha256');
    const batches: FinalBatch[] = [];
    try {
      for await (const page of pagesOf(control, node, end)) {
        // What comes behind the end, a leader's first batch say, one node may have and another not.
        digest.update(page.batches.subarray(0, end - page.offset));
        if (final === undefined) batches.push(...dataBatches(page, contents));
      }
    } catch (error) {
      if (!(error instanceof LogLogError)) throw error;
      story.problem(`the log of ${node} cannot be read: ${error.code} ${error.message}`);
      continue;
    }
    final ??= batches;
    digests.add(digest.digest('hex'));
  }
  if (digests.size > 1) story.problem('the logs of the nodes differ');
  return final ?? [];
}

type Page = Awaited<ReturnType<Client['readPage']>>;

async function* pagesOf(client: Client, node: string, end: number): AsyncGenerator<Page> {
  for (let offset = 0; offset < end;) {
    const page = await client.readPage({
      offset,
      limit: pageBytes,
      node,
      timeoutMs: pageTimeoutMs,
    });
    yield page;
    offset = page.next;
  }
}

function dataBatches(page: Page, contents: Contents): FinalBatch[] {
  return verifyPage(page, page.offset)
    .filter(({ header }) => header.kind === 'data')
    .map((batch) => ({
      offset: batch.header.offset,
      end: batchEnd(batch.header),
      entries: [...entriesOf(batch)].map(({ offset, data }) => ({
        offset,
        fingerprint: contents.fingerprintOf(data),
      })),
    }));
}

/** `loglog verify` on every directory; nothing may be wrong in any, and no node may run. */
export async function verifyDirectories(
  { ids, volumes }: NemesisCluster,
  story: Story,
): Promise<void> {
  for (const id of ids) {
    const { status, output } = await runCommand(['verify', volumes.dataOf(id)]);
    if (status !== 0) story.problem(`verify of ${id}: exit status ${status}`, output.split('\n'));
  }
}

function runCommand(
  args: readonly string[],
): Promise<{ readonly status: number | string; readonly output: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [mainFile, ...args], (error, stdout, stderr) => {
      resolve({ status: error?.code ?? 0, output: `${stdout}${stderr}`.trimEnd() });
    });
  });
}
