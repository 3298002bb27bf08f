/** What a node has, read from it as a client would. */
import type { TestNode } from '../engine/cluster.js';

const pageBytes = 100_000;

/** Everything that the node serves: what it knows to be committed, and has on its disk. */
export async function readAll(node: TestNode): Promise<Buffer> {
  const { commitOffset, durableOffset } = await node.status();
  const end = Math.min(commitOffset, durableOffset);
  const { signal } = new AbortController();
  const pages: Buffer[] = [];
  for (let at = 0; at < end;) {
    const page = await node.service.read({ offset: at, limit: pageBytes, waitMs: 0 }, signal);
    pages.push(page.batches);
    at = page.next;
  }
  return Buffer.concat(pages);
}
