/** Faults in the client. */
import { breaks, changesNothing } from './mutation.js';
import type { Mutation } from './mutation.js';

export const clientMutations: readonly Mutation[] = [
  breaks(
    'clients keep order',
    'new-sequence-each-time',
    'sends a batch again under another sequence',
    'client/producer',
    [
      '...flight.frame,\n            append:',
      '...flight.frame,\n            sequence: flight.orders > 1 ? this.#nextSequence++ : flight.frame.sequence,\n            append:',
    ],
  ),
  breaks(
    'clients keep order',
    'any-acknowledgement',
    'takes an acknowledgement for the oldest batch, whatever it names',
    'client/producer',
    [
      'this.#flights[this.#find(acknowledgement.epoch, acknowledgement.sequence)]',
      'this.#flights[0]',
    ],
  ),
  breaks(
    'clients keep order',
    'not-sent-again',
    'sends nothing again to a new leader',
    'client/producer',
    ['this.#cursor = 0;\n        this.#resend', 'this.#resend'],
  ),
  breaks(
    'clients keep order',
    'missing-not-uploaded',
    'does not upload a body again that a node asks for',
    'client/producer',
    ["if (frame.kind !== 'open' && sequences.includes(frame.sequence))", 'if (false)'],
  ),
  breaks(
    'outcomes are honest',
    'given-up-is-none',
    'says that nothing happened to what it gives up',
    'client/producer',
    ["mayBeCommitted(flight) ? 'unknown' : 'none'", "'none'"],
  ),
  breaks(
    'outcomes are honest',
    'deadline-is-none',
    'says that nothing happened to what is on its way at its deadline',
    'client/intake',
    ["stage === 'sent' ? 'unknown' : 'none'", "'none'"],
  ),
  breaks(
    'clients keep order',
    'gap-not-closed',
    'forgets that entries move up when one before them is given up',
    'client/outgoing-batch',
    ['if (other.at > at)', 'if (false)'],
  ),
  breaks(
    'outcomes are honest',
    'flush-forgets',
    'takes what nobody asks for to be settled',
    'client/outgoing-batch',
    ['if (this.#submissionCount > this.#attached.size)', 'if (false)'],
  ),
  breaks('reads are committed', 'client-believes-pages', 'does not verify pages', 'client/page', [
    'if (header.offset !== next)',
    'if (false)',
  ]),
  breaks(
    'reads are committed',
    'reader-at-batch',
    'begins with the batch instead of the entry that was asked for',
    'client/reader',
    ['entriesOf(batch.value, wanted.from)', 'entriesOf(batch.value)'],
  ),
  changesNothing('later-lookout', 'looks for another leader a little later', 'client/producer', [
    'const lookoutMs = 2000;',
    'const lookoutMs = 2200;',
  ]),
];
