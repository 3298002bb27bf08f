/** LogLog as anybody starts it: three `loglog serve` processes and the client of the package. */
import { hasLeader } from '../../cli/dev.js';
import { LocalCluster, untilStatus } from '../../cli/local-cluster.js';
import { freeBasePort } from '../../cli/ports.js';
import { connect } from '../../index.js';
import { measureClient } from './client-driving.js';
import type { Cluster, Contender } from './contender.js';

const nodeCount = 3;
const electionTimeoutMs = 30_000;

export const loglog: Contender = {
  name: 'loglog',
  notes: 'Driven by its own client, in Node.js; bulk goes through a `Writer`.',

  async version() {
    return 'this checkout';
  },

  async start(directory: string): Promise<Cluster> {
    const basePort = await freeBasePort(nodeCount);
    const cluster = new LocalCluster({
      directory,
      basePort,
      count: nodeCount,
      name: 'bench',
      logLevel: 'error',
    });
    const kill = () => cluster.kill();
    process.once('exit', kill);
    const end = async () => {
      kill();
      await Promise.all([...cluster.processes.values()].map(({ ended }) => ended));
      process.off('exit', kill);
    };
    try {
      await cluster.start();
      const client = await connect(cluster.addresses);
      const what = 'the election of a leader';
      await untilStatus(client, hasLeader, { timeoutMs: electionTimeoutMs, what });
      return {
        measure: (workload, seconds) => measureClient(client, workload, seconds),
        async stop() {
          try {
            await client.close({ timeoutMs: 1 });
          } finally {
            await end();
          }
        },
      };
    } catch (error) {
      await end();
      throw error;
    }
  },
};
