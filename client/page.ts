import type { Batch } from '../proto/batch.js';
import { batchEnd, decodeBatch } from '../proto/batch.js';
import { checkEntries } from '../proto/entries.js';
import { LogLogError } from '../proto/errors.js';
import type { Page } from '../proto/service.js';

/**
 * The batches of a page, each of them whole, verified and where it says it is, from the one that
 * holds `offset` on. Throws DATA_CORRUPT. An empty page has none.
 */
export function verifyPage(page: Page, offset: number): Batch[] {
  const batches: Batch[] = [];
  let next = page.offset;
  while (next - page.offset < page.batches.length) {
    const decoded = decodeBatch(page.batches, next - page.offset);
    if (!decoded.ok) throw corrupt(next, decoded.reason);
    const { body, header } = decoded.batch;
    if (header.offset !== next) throw corrupt(next, `this batch belongs to ${header.offset}`);
    const entries = checkEntries(body);
    if (!entries.ok) throw corrupt(next, entries.reason);
    if (entries.count !== header.entryCount) throw corrupt(next, 'entries are missing');
    batches.push(decoded.batch);
    next = batchEnd(header);
  }
  if (next !== page.next) throw corrupt(page.offset, `the page ends at ${next}, not ${page.next}`);
  const [first] = batches;
  const isExpected =
    first === undefined || (page.offset <= offset && offset < batchEnd(first.header));
  if (!isExpected) throw corrupt(page.offset, `this page does not answer a read at ${offset}`);
  return batches;
}

function corrupt(offset: number, reason: string): LogLogError {
  return new LogLogError('DATA_CORRUPT', `at offset ${offset}: ${reason}`);
}
