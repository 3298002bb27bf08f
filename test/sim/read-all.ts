/** What a node has, read from it as a client would. */
import type { TestNode } from '../engine/cluster.js';

const pageBytes = 100_000;

/** Everything that the node knows to be committed. */
export async function readAll(node: TestNode): Promise<Buffer> {
  const { commitOffset } = await node.status();
  const { signal } = new AbortController();
  const pages: Buffer[] = [];
  for (let at = 0; at < commitOffset;) {
    const page = await node.service.read({ offset: at, limit: pageBytes, waitMs: 0 }, signal);
    pages.push(page.batches);
    at = page.next;
  }
  return Buffer.concat(pages);
}
