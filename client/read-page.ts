import { LogLogError } from '../proto/errors.js';
import type { Page, ReadRequest } from '../proto/service.js';
import type { Bounds } from './bounds.js';
import type { Route } from './call.js';
import { ask } from './call.js';
import type { Cluster } from './cluster.js';
import { verifyPage } from './page.js';
import { asLogLogError } from './retry.js';

/** Beyond the wait that is asked for; then another node is asked. */
const pageTimeoutMs = 10_000;

export function readPage(
  cluster: Cluster,
  bounds: Bounds,
  request: ReadRequest,
  route: Route,
  signal: AbortSignal,
): Promise<Page> {
  const { offset, waitMs } = request;
  return ask(cluster, signal, {
    what: 'reading a page',
    route,
    attemptTimeoutMs: pageTimeoutMs + waitMs,
    finalCodes: ['OFFSET_BEYOND_END'],
    async ask(service, attempt) {
      try {
        const page = await service.read({ ...request, ...cluster.identity() }, attempt);
        verifyPage(page, offset);
        return page;
      } catch (error) {
        const failure = asLogLogError(error);
        if (failure.code !== 'OFFSET_BEYOND_END') throw failure;
        const { end } = await bounds.end(true, attempt);
        if (offset > end) throw failure;
        throw new LogLogError('UNAVAILABLE', `the node has not come to ${offset} yet, of ${end}`);
      }
    },
  });
}
