/** Faults in how bodies come to the nodes and meet their references. */
import { breaks, changesNothing } from './mutation.js';
import type { Mutation } from './mutation.js';

export const uploadMutations: readonly Mutation[] = [
  breaks(
    'digests tell bodies apart',
    'digest-ignored',
    'takes any body of the right length and checksum',
    'server/uploads/digest',
    ['timingSafeEqual(digestOf(key, offset, body), digest)', 'true'],
  ),
  breaks(
    'digests tell bodies apart',
    'digest-key-kept',
    'uses one key in all terms',
    'server/outbox',
    ['this.#digestKey = newDigestKey(this.#random);', ''],
  ),
  breaks(
    'digests tell bodies apart',
    'digest-of-any-offset',
    'uses one nonce at all offsets',
    'server/uploads/digest',
    ['nonce.writeBigUInt64LE(BigInt(offset));', ''],
  ),
  breaks(
    'framing is checked',
    'framing-unchecked',
    'orders bodies that are no entries',
    'server/session',
    [
      'const checked = checkEntries(body);',
      'const checked = { ok: true, count: frame.entryCount };',
    ],
  ),
  breaks(
    'framing is checked',
    'checksum-unchecked',
    'orders bodies under a wrong checksum',
    'server/session',
    ['bodyChecksum(body) !== frame.bodyChecksum', 'false'],
  ),
  breaks(
    'bodies wait for references',
    'body-never-asked-for',
    'waits for ever for a body that does not come',
    'server/assembler',
    ['offsets.push(waiting.header.offset);', ''],
  ),
  breaks(
    'bodies wait for references',
    'missing-body-skipped',
    'passes over a batch whose body is missing',
    'server/assembler',
    ['if (body === null)\n            break;', 'if (body === null)\n            continue;'],
  ),
  breaks(
    'bodies wait for references',
    'inline-body-unchecked',
    'takes a body from a peer as it is',
    'server/assembler',
    ['body.length !== header.bodyBytes || bodyChecksum(body) !== header.bodyChecksum', 'false'],
  ),
  breaks(
    'bodies wait for references',
    'cut-body-dropped',
    'drops the body of a batch that was cut off',
    'server/uploads/pool',
    [
      'this.#leave(candidate);\n            this.#enter(candidate, null);\n        }\n    }\n    /** Drops what',
      'this.#drop(candidate);\n        }\n    }\n    /** Drops what',
    ],
  ),
  breaks(
    'bodies wait for references',
    'committed-body-kept',
    'keeps bodies that are committed',
    'server/uploads/pool',
    ['if (heldEnd(candidate) > offset)', 'if (heldEnd(candidate) >= 0)'],
  ),
  breaks(
    'staging is bounded',
    'no-quota',
    'gives one client all the room there is',
    'server/uploads/pool',
    [
      "if (!this.#quotaHasRoom(client, cost))\n            return this.#wait(client, cost, 'awaitsQuota');",
      '',
    ],
  ),
  breaks(
    'staging is bounded',
    'boundless-pool',
    'stages however much there is',
    'server/uploads/pool',
    ['if (head !== client || !this.#hasRoom(cost))', 'if (false)'],
  ),
  breaks(
    'staging is bounded',
    'lost-in-silence',
    'drops an upload that finds no room',
    'server/session',
    ['this.#held = upload;\n            return false;', 'return true;'],
  ),
  breaks(
    'nobody waits for the slow',
    'boundless-queue',
    'queues however much a node does not take',
    'client/upload-link',
    ['this.#queuedBytes + frame.body.length <= linkQueueBytesMax', 'true'],
  ),
  changesNothing('later-request', 'asks for a body again a little later', 'server/assembler', [
    'const requestAgainMs = 200;',
    'const requestAgainMs = 220;',
  ]),
];
