/** Faults in how a node makes good what its disk has lost. */
import { breaks, changesNothing } from './mutation.js';
import type { Mutation } from './mutation.js';

export const repairMutations: readonly Mutation[] = [
  breaks(
    'repairs are proven',
    'donor-without-anchor',
    'believes another copy although nothing here follows from it',
    'server/log/mender',
    ["follows === true ? 'anchored' : 'open'", "'anchored'"],
  ),
  breaks(
    'repairs are proven',
    'donor-refuted',
    'believes another copy although this disk says otherwise',
    'server/log/mender',
    ["known === place.chain ? 'anchored' : 'refuted'", "'anchored'"],
  ),
  breaks(
    'repairs are proven',
    'donor-chain-unchecked',
    'does not check that the batches of another copy follow each other',
    'server/log/proof',
    ["if (wrong !== undefined)\n                return 'noProof';", ''],
  ),
  breaks(
    'repairs are proven',
    'first-header-first',
    'writes the first header before what is behind it',
    'server/log/mender',
    [
      'await file.write(parts.slice(1), position + headerBytes);\n                await file.write(parts.slice(0, 1), position);',
      'await file.write(parts.slice(0, 1), position);\n                await file.write(parts.slice(1), position + headerBytes);',
    ],
  ),
  breaks(
    'repairs are proven',
    'mend-uncommitted',
    'mends what may still be cut back',
    'server/log/mending',
    ['const endOffset = Math.min(end.offset, durableOffset)', 'const endOffset = durableOffset'],
  ),
  breaks(
    'repairs are proven',
    'made-not-in-directory',
    'does not sync the directory of a segment that it has made again',
    'server/log/mender',
    ['await disk.syncDirectory(directory);\n        this.made.push', 'this.made.push'],
  ),
  breaks(
    'rot is repaired',
    'read-not-mended',
    'does not repair what a read meets',
    'server/log/log',
    ['if (!isRot || offset >= mendableBelow)', 'if (true)'],
  ),
  breaks(
    'rot is repaired',
    'nothing-scrubbed',
    'never reads the log again by itself',
    'server/scrubber',
    ['await this.#log.scrub(baseOffset, (bytes) => this.#pause(bytes));', ''],
  ),
  breaks(
    'repairs are proven',
    'cut-off-is-mended',
    'makes a segment again that was cut off',
    'server/log/mending',
    ['|| !bases.includes(baseOffset)', ''],
  ),
  breaks(
    'rot is repaired',
    'stale-index',
    'goes on with the file and the index from before the repair',
    'server/log/log',
    ['return this.#reader.drop(baseOffset);', 'return Promise.resolve();'],
  ),
  breaks(
    'rot is repaired',
    'cut-instead-of-mended',
    'cuts off what other nodes could give back',
    'server/opening',
    ["if (rot.kind === 'within') {", 'if (false) {'],
  ),
  breaks(
    'nothing committed is cut',
    'cut-before-all-answered',
    'cuts its log while a node that may know has not answered',
    'server/opening',
    ['if (unproven?.unanswered === true)', 'if (false)'],
  ),
  breaks(
    'nothing committed is cut',
    'cut-before-a-leader',
    'cuts its log before it has heard a leader',
    'server/opening',
    ['if (!this.#leaderIsHeard)', 'if (false)'],
  ),
  breaks(
    'nothing committed is cut',
    'cut-as-it-was',
    'cuts its log and stays the same incarnation',
    'server/opening',
    ['const incarnation = await directory.renew();', 'const { incarnation } = directory.identity;'],
  ),
  changesNothing('patient-repair', 'waits longer for what a peer has to give', 'server/repairs', [
    'const answerMsMax = 2000;',
    'const answerMsMax = 2100;',
  ]),
];
