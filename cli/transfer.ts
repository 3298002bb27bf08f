/** `loglog transfer`: hands leadership to another node. */
import { Command } from 'commander';
import type { ClusterOptions, JsonOption } from './options.js';
import { callTimeoutMs, clusterOption, jsonOption, timeoutOption } from './options.js';
import { Output } from './output.js';
import { withClient } from './session.js';

export function transferCommand(): Command {
  return new Command('transfer')
    .description('hand leadership to a node')
    .argument('<id>', 'the node that is to lead')
    .addOption(jsonOption())
    .addOption(clusterOption())
    .addOption(timeoutOption('it has not happened after this long (default: 10s)'))
    .action((id: string, options: ClusterOptions & JsonOption) =>
      withClient(options, async (client) => {
        const { leader, term } = await client.transfer(id, {
          timeoutMs: options.timeout ?? callTimeoutMs,
        });
        const output = new Output(process.stdout);
        await output.line(
          options.json ? JSON.stringify({ leader, term }) : `${leader} leads, term ${term}`,
        );
        await output.flush();
      }),
    );
}
