/** What a node says is for the process that it was meant for, and not for the one after it. */
import t from 'tap';
import type { TestNode } from './cluster.js';
import { EngineCluster } from './cluster.js';

/** How long a vote takes to be on disk: longer than it takes to start and to be linked again. */
const saveMs = 2000;

t.test('a vote that the disk held up does not go to the next process of a candidate', async (t) => {
  const cluster = await EngineCluster.start();
  const leader = await cluster.leader();
  const voters = cluster.others(leader);
  let candidate: TestNode | undefined;
  let votes = 0;
  cluster.peers.passes = (from, to, message) => {
    if (message.type === 'voteRequest' && !message.preVote && candidate === undefined) {
      candidate = cluster.node(from);
      for (const voter of voters) if (voter !== candidate) voter.diskDelayMs = () => saveMs;
    }
    const isVote = message.type === 'voteReply' && !message.preVote && message.granted;
    if (isVote && to === candidate?.id) votes += 1;
    return true;
  };
  leader.crash();
  await cluster.until('a candidate', () => candidate !== undefined);
  await cluster.clock.pass(10);
  if (candidate === undefined) throw new Error('there is one');
  candidate.crash();
  await cluster.clock.run(candidate.start());
  await cluster.clock.pass(2 * saveMs);
  t.equal(votes, 0, 'its vote was for the process that asked');
  await cluster.close();
});
