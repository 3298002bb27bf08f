/** Limits that are part of the format: every node and client agrees on them (docs/FORMAT.md). */

/** Bytes of every batch header. */
export const headerBytes = 96;

/** Bytes of the length field in front of each entry. */
export const entryLengthBytes = 4;

/** The largest entry: 16 MiB − 1. */
export const entryBytesMax = 2 ** 24 - 1;

/** The largest batch body: one largest entry, framed. */
export const bodyBytesMax = entryBytesMax + entryLengthBytes;

/** The largest batch, header and body. */
export const batchBytesMax = headerBytes + bodyBytesMax;

/** The most entries in one batch. */
export const batchEntriesMax = 2 ** 20;

/**
 * The most bytes that are written and not yet synced at a time. Recovery relies on it: whatever
 * is valid further behind a bad place than this was written after that place was synced.
 */
export const groupBytesMax = 2 * batchBytesMax;

/** The longest fencing token. */
export const tokenBytesMax = 64;

/** Producers that the log remembers; the one that wrote least recently is forgotten first. */
export const producersMax = 4096;

/** Batches that the log remembers of each producer; a writer keeps fewer than this in flight. */
export const producerBatchesMax = 64;

/** The most nodes in a cluster. */
export const nodesMax = 7;
