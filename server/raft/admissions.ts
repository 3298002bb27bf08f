/**
 * The admission table: which incarnation of a node a log has admitted last. Like the term table it
 * is a function of the log, and follows it when it grows and when it is cut.
 */
import { firstIncarnation } from './types.js';
import type { AdmissionAt, NodeId } from './types.js';

/** Notes an admission at the log's end. To admit again whom the log has admitted last is no news. */
export function extendAdmissions(admissions: AdmissionAt[], admission: AdmissionAt): void {
  const { node, incarnation } = admission;
  if (admittedIncarnation(admissions, node) !== incarnation) admissions.push(admission);
}

export function truncateAdmissions(admissions: AdmissionAt[], offset: number): void {
  admissions.length = admissions.findLastIndex((admission) => admission.offset < offset) + 1;
}

/** The one that counts; undefined while it is the node's first incarnation that does. */
export function lastAdmission(
  admissions: readonly AdmissionAt[],
  node: NodeId,
): AdmissionAt | undefined {
  return admissions.findLast((admission) => admission.node === node);
}

export function admittedIncarnation(admissions: readonly AdmissionAt[], node: NodeId): number {
  return lastAdmission(admissions, node)?.incarnation ?? firstIncarnation;
}

/** Whether the log has admitted this incarnation, whatever came after it. */
export function wasAdmitted(
  admissions: readonly AdmissionAt[],
  node: NodeId,
  incarnation: number,
): boolean {
  if (incarnation === firstIncarnation) return true;
  return admissions.some(
    (admission) => admission.node === node && admission.incarnation === incarnation,
  );
}
