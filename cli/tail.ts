/** `loglog tail`: entries as lines or JSON, up to the end or for ever. */
import { Command, Option } from 'commander';
import { frameEntry } from './frames.js';
import type { JsonOption } from './options.js';
import {
  clusterOption,
  jsonOption,
  nodeOption,
  parseLimit,
  parsePosition,
  timeoutOption,
} from './options.js';
import { Output } from './output.js';
import type { RangeOptions } from './reading.js';
import { following, untilNow } from './reading.js';
import { withClient, withinDeadline } from './session.js';

interface TailCommandOptions extends RangeOptions, JsonOption {
  readonly follow?: true;
}

export function tailCommand(): Command {
  return new Command('tail')
    .description('print entries, each on a line')
    .addOption(
      new Option('--from <offset>', 'the first offset, or start, or end')
        .argParser(parsePosition)
        .default('start'),
    )
    .option('-f, --follow', 'go on with what is appended later, until interrupted')
    .addOption(new Option('--limit <count>', 'this many entries at most').argParser(parseLimit))
    .addOption(jsonOption())
    .addOption(nodeOption())
    .addOption(clusterOption())
    .addOption(timeoutOption('not done after this long'))
    .action((options: TailCommandOptions) =>
      withClient(options, (client) =>
        withinDeadline(options.timeout, async (signal) => {
          const output = new Output(process.stdout);
          const range = await (options.follow ? following : untilNow)(client, options);
          for await (const { offset, time, data } of client.read({ ...range, signal })) {
            if (options.json) {
              await output.line(JSON.stringify({ offset, time, data: data.toString('base64') }));
            } else {
              for (const part of frameEntry(data, 'line')) await output.write(part);
            }
            if (output.closed) break;
          }
          await output.flush();
        }),
      ),
    );
}
