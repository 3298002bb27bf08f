/** Faults in what a node does with its disk. */
import { breaks, changesNothing } from './mutation.js';
import type { Mutation } from './mutation.js';

export const logMutations: readonly Mutation[] = [
  breaks(
    'durable means synced',
    'durable-before-synced',
    'calls a group durable when it begins to write it',
    'server/log/writer',
    [
      'await segment.write(group);',
      'onWritten(Math.min(batchEnd(header), this.#truncateTo ?? Infinity));\n        await segment.write(group);',
    ],
  ),
  breaks(
    'durable means synced',
    'cancelled-is-durable',
    'calls durable what is to be cut off',
    'server/log/writer',
    ['Math.min(batchEnd(header), this.#truncateTo ?? Infinity)', 'batchEnd(header)'],
  ),
  breaks(
    'durable means synced',
    'segment-not-in-directory',
    'does not sync the directory of a new segment',
    'server/log/open-segment',
    [
      'await file.write([header], 0);\n            await disk.syncDirectory(directory);',
      'await file.write([header], 0);',
    ],
  ),
  breaks(
    'durable means synced',
    'rename-not-synced',
    'does not sync the directory of a file that was replaced',
    'server/log/envelope',
    [
      'await disk.rename(path, join(directory, name));\n    await disk.syncDirectory(directory);',
      'await disk.rename(path, join(directory, name));',
    ],
  ),
  breaks(
    'a failed sync is not tried again',
    'failed-write-is-done',
    'goes on when a write has failed',
    'server/log/writer',
    ['await segment.write(group);', 'await segment.write(group).catch(() => undefined);'],
  ),
  breaks(
    'a failed sync is not tried again',
    'failed-write-again',
    'writes again what could not be synced',
    'server/log/open-segment',
    [
      'await this.#file.write(parts, position);',
      'await this.#file.write(parts, position).catch(() => this.#file.write(parts, position));',
    ],
  ),
  breaks(
    'filled ground',
    'unfilled-ground',
    'writes batches where the pattern is not durable yet',
    'server/log/open-segment',
    ['if (this.#filled < roundUpToSector(end) + sectorBytes)', 'if (false)'],
  ),
  breaks(
    'filled ground',
    'sealed-uncut',
    'leaves the pattern at the end of a sealed segment',
    'server/log/open-segment',
    ['await this.#file.truncate(this.#written);', ''],
  ),
  breaks('torn is proven', 'rot-is-torn', 'takes all damage for torn', 'server/log/torn', [
    "if (damage.type === 'misfit')",
    "if (damage.type !== 'misfit')\n        return true;\n    if (damage.type === 'misfit')",
  ]),
  breaks(
    'torn is proven',
    'torn-despite-successors',
    'cuts a tail although something valid begins far behind it',
    'server/log/torn',
    [' && !(await batchBeginsAfter(window, position + groupBytesMax))', ''],
  ),
  breaks('torn is proven', 'torn-is-rot', 'takes a torn tail for rot', 'server/log/torn', [
    "if (damage.type === 'misfit')",
    'if (true)',
  ]),
  breaks(
    'cuts are recorded',
    'cut-unrecorded',
    'cuts the log back without a record of it',
    'server/log/writer',
    ['await record.write(truncation);', ''],
  ),
  breaks(
    'cuts are recorded',
    'cut-left-lying',
    'leaves the bytes that it cuts off',
    'server/log/truncation',
    ['await overwrite(disk, directory, clusterId, kept, truncation);', 'return;'],
  ),
  breaks(
    'cuts are recorded',
    'cut-unfinished',
    'does not finish a recorded cut at the next start',
    'server/log/recovery',
    ['await applyTruncation(disk, directory, clusterId, pending);', ''],
  ),
  breaks(
    'recovery verifies',
    'chain-unchecked-at-start',
    'does not check the chain when it opens the log',
    'server/log/scan',
    ['header.chain !== nextChain(place.chain, bytes)', 'false'],
  ),
  breaks(
    'recovery verifies',
    'body-unchecked-at-start',
    'does not check bodies when it opens the log',
    'server/log/scan',
    ['bodyChecksum(body) !== header.bodyChecksum', 'false'],
  ),
  breaks(
    'recovery verifies',
    'tail-not-rewritten',
    'does not make the end of the log durable again',
    'server/log/recovery',
    ['await file.write(parts, at);', ''],
  ),
  breaks(
    'term and vote are kept twice',
    'one-copy',
    'writes one of the two copies',
    'server/log/slots',
    ['await this.#file.write([slot], i * slotBytes);', 'await this.#file.write([slot], 0);'],
  ),
  breaks(
    'term and vote are kept twice',
    'older-copy-wins',
    'believes the older of the two copies',
    'server/log/slots',
    ['slot.counter > newest.counter', 'slot.counter < newest.counter'],
  ),
  breaks(
    'term and vote are kept twice',
    'copies-need-room',
    'empties the file before it saves',
    'server/log/slots',
    [
      'for (let i = 0; i < slotCount; i += 1)\n                await this.#file.write',
      'await this.#file.truncate(0);\n            for (let i = 0; i < slotCount; i += 1)\n                await this.#file.write',
    ],
  ),
  breaks(
    'a full disk passes',
    'full-disk-stops',
    'stops when the disk is full',
    'server/log/disk',
    ["code === 'ENOSPC' || code === 'EDQUOT'", 'false'],
  ),
  breaks(
    'reads are committed',
    'page-unverified',
    'serves pages without looking at their checksums',
    'server/log/page-reader',
    [
      'const decoded = decodeBatch(bytes, at);',
      'const head = decodeHeader(bytes, at);\n        const isWhole = head.ok && at + headerBytes + head.header.bodyBytes <= bytes.length;\n        const decoded = isWhole ? { ok: true, batch: { header: head.header } } : decodeBatch(bytes, at);',
    ],
  ),
  breaks(
    'reads are committed',
    'read-after-cut',
    'serves from memory what was cut off',
    'server/log/recent',
    ['this.#batches.length = kept;', ''],
  ),
  changesNothing('smaller-fill', 'fills in smaller pieces', 'server/log/open-segment', [
    'const fillChunkBytesMax = 2 ** 20;',
    'const fillChunkBytesMax = 2 ** 19;',
  ]),
];
