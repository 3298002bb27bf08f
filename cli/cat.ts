/** `loglog cat`: the bytes of a range, exactly as they were appended. */
import { Command, Option } from 'commander';
import type { OutputFrame } from './frames.js';
import { frameEntry, outputFrames } from './frames.js';
import { clusterOption, nodeOption, parseOffset, parsePosition, timeoutOption } from './options.js';
import { Output } from './output.js';
import type { RangeOptions } from './reading.js';
import { untilNow } from './reading.js';
import { withClient, withinDeadline } from './session.js';

interface CatCommandOptions extends RangeOptions {
  readonly frame: OutputFrame;
}

export function catCommand(): Command {
  return new Command('cat')
    .description('write entries to standard output, exactly as they were appended')
    .addOption(
      new Option('--from <offset>', 'the first offset, or start')
        .argParser(parsePosition)
        .default('start'),
    )
    .addOption(
      new Option(
        '--to <offset>',
        'only entries below; by default up to the end as of now',
      ).argParser(parseOffset),
    )
    .addOption(
      new Option('--frame <frame>', 'what separates entries: a newline behind, a length in front')
        .choices(outputFrames)
        .default('none'),
    )
    .addOption(nodeOption())
    .addOption(clusterOption())
    .addOption(timeoutOption('not all is read after this long'))
    .action((options: CatCommandOptions) =>
      withClient(options, (client) =>
        withinDeadline(options.timeout, async (signal) => {
          const output = new Output(process.stdout);
          const range = await untilNow(client, options);
          for await (const { data } of client.read({ ...range, signal })) {
            for (const part of frameEntry(data, options.frame)) await output.write(part);
            if (output.closed) break;
          }
          await output.flush();
        }),
      ),
    );
}
