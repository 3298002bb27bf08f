/**
 * The nodes are alike: states that differ in their names only are one state. Whatever has an
 * identity here has six hashes, one for each way to name three nodes; a whole state takes the
 * smallest of its six sums.
 */
import { renameIn } from './chain.js';
import { nodeIds } from './node.js';

/** Each a way to rename the nodes: the new index of every old one. */
export const renamings: readonly (readonly number[])[] = [
  [0, 1, 2],
  [0, 2, 1],
  [1, 0, 2],
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0],
];

/** Lists of the core whose order follows the names. */
const namedLists = new Set(['links', 'granted', 'peers']);

/** The same plain data with the nodes renamed. */
export function rename(value: unknown, renaming: readonly number[]): unknown {
  if (typeof value === 'string') return renameText(value, renaming);
  if (Array.isArray(value)) return value.map((item) => rename(item, renaming));
  if (typeof value !== 'object' || value === null) return value;
  const renamed: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) {
    const next = rename(item, renaming);
    renamed[key] = namedLists.has(key) && Array.isArray(next) ? next.toSorted(byName) : next;
  }
  return renamed;
}

/** A name, a log with names in it, or neither. */
function renameText(text: string, renaming: readonly number[]): string {
  const newName = (id: string) => nodeIds[renaming[nodeIds.indexOf(id)] ?? -1] ?? id;
  return text.includes('@') ? renameIn(text, newName) : newName(text);
}

function byName(one: unknown, other: unknown): number {
  return nameOf(one) < nameOf(other) ? -1 : 1;
}

function nameOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  return String('id' in value ? value.id : 'peer' in value ? value.peer : '');
}

/** Two independent hashes of 32 bits (cyrb53's two lanes, each mixed with the other). */
export function hashText(text: string): readonly [number, number] {
  let one = 0xdeadbeef;
  let two = 0x41c6ce57;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    one = Math.imul(one ^ code, 2654435761);
    two = Math.imul(two ^ code, 1597334677);
  }
  one = Math.imul(one ^ (one >>> 16), 2246822507) ^ Math.imul(two ^ (two >>> 13), 3266489909);
  two = Math.imul(two ^ (two >>> 16), 2246822507) ^ Math.imul(one ^ (one >>> 13), 3266489909);
  return [one >>> 0, two >>> 0];
}
