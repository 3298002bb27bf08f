/** The range that a command reads, asked for within a deadline before reading begins. */
import type { Client, ReadOptions } from '../index.js';
import { LogLogError } from '../proto/errors.js';
import type { ClusterOptions, NodeOption } from './options.js';
import { callTimeoutMs } from './options.js';

export interface RangeOptions extends ClusterOptions, NodeOption {
  readonly from: number | 'start' | 'end';
  readonly to?: number;
  readonly limit?: number;
}

/**
 * Up to `to`, or else up to the linearizable end as of now. The reader follows until it has got
 * there, so that a node that is behind is waited for. Throws OFFSET_BEYOND_END.
 */
export async function untilNow(
  client: Client,
  { from, to, limit, node, timeout = callTimeoutMs }: RangeOptions,
): Promise<ReadOptions> {
  if (typeof from === 'number' && to !== undefined && from > to) {
    throw new LogLogError('CONFIG_INVALID', `--from ${from} is behind --to ${to}`);
  }
  const { end } = await client.end({ timeoutMs: timeout });
  for (const offset of [from, to]) {
    if (typeof offset === 'number' && offset > end) {
      const message = `${offset} is beyond the end, which is ${end}`;
      throw new LogLogError('OFFSET_BEYOND_END', message, { end });
    }
  }
  return {
    from: from === 'end' ? end : from,
    to: to ?? end,
    follow: true,
    ...(limit !== undefined && { limit }),
    ...(node !== undefined && { node }),
  };
}

/** From `from` on, for ever. */
export async function following(
  client: Client,
  { from, limit, node, timeout = callTimeoutMs }: RangeOptions,
): Promise<ReadOptions> {
  return {
    from: from === 'end' ? (await client.end({ timeoutMs: timeout })).end : from,
    follow: true,
    ...(limit !== undefined && { limit }),
    ...(node !== undefined && { node }),
  };
}
