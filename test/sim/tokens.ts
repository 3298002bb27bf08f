/** Whether every append that demanded a fencing token stands behind the one that set it. */
import type { Batch } from '../../proto/batch.js';
import { entriesOf } from '../../proto/entries.js';
import type { Fingerprint } from '../checker/history.js';
import { fingerprintOf } from './workload/entries.js';

export function checkTokens(
  batches: readonly Batch[],
  demanded: ReadonlyMap<Fingerprint, string>,
): string[] {
  const problems: string[] = [];
  let inForce = '';
  for (const batch of batches) {
    if (batch.header.kind === 'open') continue;
    for (const { data } of entriesOf(batch)) {
      if (batch.header.kind === 'fence') inForce = data.toString();
      const fingerprint = batch.header.kind === 'data' ? fingerprintOf(data) : '';
      const wanted = demanded.get(fingerprint);
      if (wanted === undefined || wanted === inForce) continue;
      problems.push(`${fingerprint} demanded ${wanted}, and ${inForce} was in force`);
    }
  }
  return problems;
}
