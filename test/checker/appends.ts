/** Content: whether each append became of the log what its outcome says, and nothing else is there. */
import type { FinalLog } from './final-log.js';
import type { Findings } from './findings.js';
import { describe } from './findings.js';
import type { AppendOperation, Fingerprint, History } from './history.js';

/**
 * For each operation the index of its first entry in the log; -1 of what is not an append, or
 * not in the log in one piece.
 */
export function placeAppends(
  { operations }: History,
  log: FinalLog,
  findings: Findings,
): Int32Array {
  const claims = new Claims(log, findings);
  const placement = new Int32Array(operations.length).fill(-1);
  for (const [index, operation] of operations.entries()) {
    if (operation.type === 'append') placement[index] = place(operation, log, claims, findings);
  }
  claims.checkUnclaimed();
  return placement;
}

/** Who asked for which entry: each was asked for once, and each in the log was. */
class Claims {
  readonly #log: FinalLog;
  readonly #findings: Findings;
  /** By index of the entry in the log. */
  readonly #isClaimed: Uint8Array;
  readonly #absent = new Set<Fingerprint>();

  constructor(log: FinalLog, findings: Findings) {
    this.#log = log;
    this.#findings = findings;
    this.#isClaimed = new Uint8Array(log.entries.length);
  }

  /** The index of the entry in the log; -1 if it is not there. */
  claim(fingerprint: Fingerprint): number {
    const found = this.#log.find(fingerprint) ?? -1;
    const isRepeated = found < 0 ? this.#absent.has(fingerprint) : this.#isClaimed[found] === 1;
    if (isRepeated) this.#findings.add('malformed', `${fingerprint} was asked for twice`);
    if (found < 0) this.#absent.add(fingerprint);
    else this.#isClaimed[found] = 1;
    return found;
  }

  checkUnclaimed(): void {
    for (const [index, { offset, fingerprint }] of this.#log.entries.entries()) {
      const first = this.#log.find(fingerprint);
      if (first !== undefined && first !== index) {
        const firstOffset = this.#log.entries[first]?.offset;
        const places = `at ${firstOffset} and again at ${offset}`;
        this.#findings.add('duplicated', `${fingerprint} is ${places}`);
      } else if (this.#isClaimed[index] === 0) {
        this.#findings.add('phantom', `nobody appended ${fingerprint}, which is at ${offset}`);
      }
    }
  }
}

function place(append: AppendOperation, log: FinalLog, claims: Claims, findings: Findings): number {
  const { entries, outcome } = append;
  const found = entries.map((fingerprint) => claims.claim(fingerprint));
  const [first = -1] = found;
  const foundCount = found.filter((index) => index >= 0).length;
  if (foundCount === 0) {
    if (outcome.type === 'acknowledged') findings.add('lost', `not there: ${describe(append)}`);
    return -1;
  }
  if (outcome.type === 'failed') {
    findings.add('failed', `in the log all the same: ${describe(append)}`);
    return -1;
  }
  if (foundCount < entries.length) {
    const part = `${foundCount} of ${entries.length} entries`;
    findings.add('torn', `${part} in the log: ${describe(append)}`);
    return -1;
  }
  const isWhole = found.every((index, n) => index === first + n);
  if (!isWhole || log.batchOf(first) !== log.batchOf(first + entries.length - 1)) {
    findings.add('torn', `not in one piece and batch: ${describe(append)}`);
    return -1;
  }
  checkPlace(append, first, log, findings);
  return first;
}

/** Whether an append stands where it was said to, and where it demanded. */
function checkPlace(
  append: AppendOperation,
  first: number,
  log: FinalLog,
  findings: Findings,
): void {
  const { entries, outcome, expect } = append;
  const batch = log.batchOf(first);
  if (outcome.type === 'acknowledged') {
    const offsets = entries.map((_, n) => log.entries[first + n]?.offset);
    const isSame =
      offsets.length === outcome.offsets.length &&
      offsets.every((offset, n) => offset === outcome.offsets[n]);
    if (!isSame) {
      const places = `at ${offsets.join(' ')}, not at ${outcome.offsets.join(' ')}`;
      findings.add('offset', `${places}: ${describe(append)}`);
    }
    const end = log.batches[batch]?.end;
    if (end !== outcome.end) {
      findings.add('end', `its batch ends at ${end}, not at ${outcome.end}: ${describe(append)}`);
    }
  }
  const dataEnd = log.dataEndBefore(batch);
  if (expect !== undefined && expect !== dataEnd) {
    findings.add('expect', `behind ${dataEnd}, demanded ${expect}: ${describe(append)}`);
  }
}
