/** `loglog append`: files or standard input, cut into entries, each acknowledged by its offset. */
import { Command, Option } from 'commander';
import type { Client } from '../index.js';
import { LogLogError } from '../proto/errors.js';
import { bodyBytesMax, entryLengthBytes } from '../proto/limits.js';
import type { Framing } from './frames.js';
import { entriesOf, inputFrames } from './frames.js';
import { chunksOf, lengthOf } from './input.js';
import type { ClusterOptions, JsonOption } from './options.js';
import { clusterOption, jsonOption, parseBytes, parseOffset, timeoutOption } from './options.js';
import { Output } from './output.js';
import { startProgress } from './progress.js';
import type { Acknowledgement } from './receipts.js';
import { Receipts } from './receipts.js';
import { withClient } from './session.js';

/** How long an entry may wait for its acknowledgement, unless --timeout says otherwise. */
const entryTimeoutMs = 30_000;

/** Entries on their way, or acknowledged and not printed yet. */
const entriesWaitingMax = 65_536;

interface AppendCommandOptions extends ClusterOptions, JsonOption {
  readonly frame: (typeof inputFrames)[number];
  readonly split?: number;
  readonly expect?: number;
}

export function appendCommand(): Command {
  return new Command('append')
    .description('append entries and print the offset of each as soon as it is acknowledged')
    .argument('[files...]', 'what to append; standard input by default')
    .addOption(
      new Option('--frame <frame>', 'how the input is cut into entries')
        .choices(inputFrames)
        .default('line'),
    )
    .addOption(
      new Option('--split <bytes>', 'cut the input into entries of this size, like 64KiB')
        .argParser(parseBytes)
        .conflicts('frame'),
    )
    .addOption(
      new Option(
        '--expect <offset>',
        'append all entries as one batch, and only if the last one ended there',
      ).argParser(parseOffset),
    )
    .addOption(jsonOption())
    .addOption(clusterOption())
    .addOption(timeoutOption('an entry is not acknowledged after this long (default: 30s)'))
    .action(runAppend);
}

async function runAppend(files: readonly string[], options: AppendCommandOptions): Promise<void> {
  const total = await lengthOf(files);
  const framing: Framing =
    options.split === undefined ? { type: options.frame } : { type: 'split', bytes: options.split };
  const entries = allEntries(files, framing);
  const timeoutMs = options.timeout ?? entryTimeoutMs;
  const output = new Output(process.stdout);
  const print = ({ offset, end }: Acknowledgement) =>
    output.line(options.json ? JSON.stringify({ offset, end }) : String(offset));
  try {
    await withClient(options, (client) =>
      options.expect === undefined
        ? appendEach(client, entries, { timeoutMs, total, print })
        : appendTogether(client, entries, { timeoutMs, expect: options.expect, print }),
    );
  } finally {
    await output.flush();
  }
}

interface Each {
  readonly timeoutMs: number;
  /** Bytes of input, if they are known. */
  readonly total: number | undefined;
  readonly print: (acknowledgement: Acknowledgement) => Promise<void>;
}

/** What is acknowledged stays so, whatever fails later; behind a failure nothing more is read. */
async function appendEach(
  client: Client,
  entries: AsyncIterable<Buffer>,
  { timeoutMs, total, print }: Each,
): Promise<void> {
  // Offsets and a bar on one terminal would garble each other.
  const progress = startProgress('appending', process.stdout.isTTY ? undefined : total);
  let bytesAcknowledged = 0;
  const receipts = new Receipts(async (acknowledgement, bytes) => {
    bytesAcknowledged += bytes;
    progress.update(bytesAcknowledged);
    await print(acknowledgement);
  });
  const writer = client.writer({ timeoutMs });
  try {
    for await (const entry of entries) {
      if (receipts.failed) break;
      receipts.add(await writer.write(entry), entry.length);
      if (receipts.waiting >= entriesWaitingMax) await receipts.settled();
    }
  } finally {
    // Also when the input turns out to be bad: what came before that is on its way.
    await receipts.settled().finally(() => progress.stop());
  }
  if (receipts.count === 0) throw nothingToAppend();
}

interface Together {
  readonly timeoutMs: number;
  readonly expect: number;
  readonly print: (acknowledgement: Acknowledgement) => Promise<void>;
}

/** All in one batch or none, and only if the last data batch ended at `expect`. */
async function appendTogether(
  client: Client,
  entries: AsyncIterable<Buffer>,
  { timeoutMs, expect, print }: Together,
): Promise<void> {
  const batch: Buffer[] = [];
  let bytes = 0;
  for await (const entry of entries) {
    bytes += entryLengthBytes + entry.length;
    if (bytes > bodyBytesMax) {
      const message = `with --expect all entries are one batch, of at most ${bodyBytesMax} bytes`;
      throw new LogLogError('BATCH_TOO_LARGE', message, { limit: bodyBytesMax });
    }
    batch.push(entry);
  }
  if (batch.length === 0) throw nothingToAppend();
  const { offsets, end } = await client.append(batch, { expect, timeoutMs });
  for (const offset of offsets) await print({ offset, end });
}

/** Each file is cut on its own: no entry lies in two. */
async function* allEntries(
  files: readonly string[],
  framing: Framing,
): AsyncGenerator<Buffer, void> {
  for (const file of files.length === 0 ? [undefined] : files) {
    yield* entriesOf(chunksOf(file), framing);
  }
}

function nothingToAppend(): LogLogError {
  return new LogLogError('EMPTY_APPEND', 'the input holds no entry');
}
