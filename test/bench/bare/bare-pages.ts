/**
 * Reading from the bare pipe: the pages that a reader of the production client would ask for, of
 * which only the headers of the batches are looked at. Entries are counted and not decoded.
 */
import { pageBytesDefault } from '../../../client/reader.js';
import { TailPages } from '../../../client/tail-pages.js';
import { batchEnd, decodeHeader } from '../../../proto/batch.js';
import { assert } from '../../../proto/errors.js';
import type { LogLogService, Page } from '../../../proto/service.js';
import { systemClock } from '../../../proto/system.js';

const silenceMsMax = 30_000;

/** Reads all below `end`; `onEntries` says after each page whether to go on. */
export async function readPages(
  service: LogLogService,
  end: number,
  onEntries: (count: number) => boolean,
): Promise<void> {
  const pages = new TailPages(systemClock, service, { offset: 0, limit: pageBytesDefault });
  const { signal } = new AbortController();
  try {
    for (let offset = 0; offset < end;) {
      const page = await pages.next(silenceMsMax, signal);
      if (page === 'silent') throw new Error(`no page came for ${silenceMsMax} ms`);
      if (!onEntries(countEntries(page))) return;
      offset = page.next;
    }
  } finally {
    pages.close();
  }
}

function countEntries({ offset, batches }: Page): number {
  let count = 0;
  for (let at = 0; at < batches.length;) {
    const decoded = decodeHeader(batches, at);
    assert(decoded.ok, 'a page is whole batches');
    count += decoded.header.entryCount;
    at = batchEnd(decoded.header) - offset;
  }
  return count;
}
