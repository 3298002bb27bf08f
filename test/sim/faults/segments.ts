import { basename } from 'node:path';
import { parseName } from '../../../server/log/segment.js';
import type { TestNode } from '../../engine/cluster.js';

export interface SegmentFile {
  readonly path: string;
  readonly length: number;
  readonly base: number;
}

/** The files of a node's log, oldest first. */
export function segmentsOf(node: TestNode): SegmentFile[] {
  return node.disk.files().flatMap(({ path, length }) => {
    const name = parseName(basename(path));
    return name?.type === 'segment' ? [{ path, length, base: name.baseOffset }] : [];
  });
}
