/** `loglog end`: where the log ends. */
import { Command } from 'commander';
import type { ClusterOptions, JsonOption } from './options.js';
import { callTimeoutMs, clusterOption, jsonOption, timeoutOption } from './options.js';
import { Output } from './output.js';
import { withClient } from './session.js';

export function endCommand(): Command {
  return new Command('end')
    .description('print where the last appended batch ends: what --expect wants')
    .addOption(jsonOption())
    .addOption(clusterOption())
    .addOption(timeoutOption('there is no answer after this long (default: 10s)'))
    .action((options: ClusterOptions & JsonOption) =>
      withClient(options, async (client) => {
        const { end, dataEnd } = await client.end({ timeoutMs: options.timeout ?? callTimeoutMs });
        const output = new Output(process.stdout);
        await output.line(options.json ? JSON.stringify({ end, dataEnd }) : String(dataEnd));
        await output.flush();
      }),
    );
}
