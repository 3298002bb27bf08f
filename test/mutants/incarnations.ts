/** Faults in how a node that has lost what it promised comes back. */
import { breaks, changesNothing } from './mutation.js';
import type { Mutation } from './mutation.js';

export const incarnationMutations: readonly Mutation[] = [
  breaks(
    'incarnations are admitted',
    'welcome-uncommitted',
    'welcomes a node before its admission is committed',
    'server/raft/admission',
    [' || admission.end > log.commitOffset', ''],
  ),
  breaks(
    'incarnations are admitted',
    'stranger-counts',
    'counts what a node says that has lost its disk',
    'server/raft/links',
    ['return incarnation === firstIncarnation', 'return true'],
  ),
  breaks(
    'incarnations are admitted',
    'any-incarnation-counts',
    'counts another incarnation than the one that was admitted last',
    'server/raft/links',
    ['admission.incarnation !== incarnation', 'false'],
  ),
  breaks(
    'incarnations are admitted',
    'unadmitted-votes',
    'votes before it is admitted',
    'server/raft/raft',
    ['if (!isAdmitted(state))', "if (!isAdmitted(state) && message.type !== 'voteRequest')"],
  ),
  breaks(
    'incarnations are admitted',
    'unadmitted-acknowledges',
    'acknowledges before it is admitted',
    'server/raft/raft',
    [
      'if (!isAdmitted(state))',
      "if (!isAdmitted(state) && !['append', 'heartbeat'].includes(message.type))",
    ],
  ),
  breaks(
    'incarnations are admitted',
    'unadmitted-campaigns',
    'campaigns before it is admitted',
    'server/raft/election',
    [' && isAdmitted(core.state)', ''],
  ),
  breaks(
    'incarnations are admitted',
    'welcome-leaves-vote',
    'may vote in the term of the leader that welcomed it',
    'server/raft/follower',
    [
      '{ term, vote: from, admitted: state.incarnation }',
      '{ term, vote: null, admitted: state.incarnation }',
    ],
  ),
  breaks(
    'incarnations are admitted',
    'admitted-without-log',
    'takes itself for admitted when its directory is empty',
    'server/directory',
    [
      'const hardState = await HardState.create(disk, directory, forgetful);',
      'const hardState = await HardState.create(disk, directory, { ...forgetful, admitted: plan.incarnation });',
    ],
  ),
  breaks(
    'incarnations end',
    'match-of-the-dead',
    'keeps what it knew of the incarnation before',
    'server/raft/leader',
    ['forgetProgress(peer, log.endOffset, tick - core.options.electionTicks);', ''],
  ),
  breaks(
    'incarnations end',
    'superseded-let-in',
    'has an incarnation admitted again whose successor is in the log',
    'server/raft/admission',
    ['successor !== undefined && wasAdmitted(log.admissions, node, incarnation)', 'false'],
  ),
  breaks(
    'incarnations end',
    'older-copy-unnoticed',
    'does not notice that a directory is older than what it promised',
    'server/raft/links',
    ['link.forgotten ||=', 'void'],
  ),
  breaks(
    'incarnations end',
    'older-copy-in-disguise',
    'takes the term that a node has been told of meanwhile for one that it remembers',
    'server/raft/links',
    ['startTerm < link.term', 'peerState.term < link.term'],
  ),
  breaks(
    'incarnations end',
    'forgotten-unheard',
    'goes on as the incarnation that the others call over',
    'server/raft/incarnation',
    ['if (incarnation !== state.incarnation || state.rejoining)', 'if (true)'],
  ),
  breaks(
    'incarnations end',
    'words-of-the-dead',
    'hears messages of an incarnation that is over',
    'server/raft/raft',
    ['link?.incarnation !== incarnation', 'link === undefined'],
  ),
  breaks(
    'incarnations end',
    'effects-to-newcomers',
    'sends what was meant for one incarnation of a peer to the next',
    'server/replica',
    ['if (this.#isRelinked(effect.to))', 'if (false)'],
  ),
  breaks(
    'a sync speaks of one log',
    'admission-after-cut',
    'keeps an admission that it has cut off',
    'server/raft/log',
    ['truncateAdmissions(log.admissions, offset);', ''],
  ),
  breaks(
    'incarnations are durable first',
    'promises-forgotten-first',
    'replaces its promises before its incarnation',
    'server/directory',
    [
      `const identity = await replaceIncarnation(disk, directory, found, incarnation);
    return { identity, hardState: await HardState.replace(disk, directory, forgetful) };`,
      `const replaced = await HardState.replace(disk, directory, forgetful);
    const identity = await replaceIncarnation(disk, directory, found, incarnation);
    return { identity, hardState: replaced };`,
    ],
  ),
  breaks(
    'incarnations are durable first',
    'renewed-under-old-number',
    'forgets its promises and stays who it was',
    'server/directory',
    [
      'const incarnation = drawIncarnation(this.#random);',
      'const { incarnation } = this.#identity;',
    ],
  ),
  breaks(
    'a cluster begins once',
    'wiped-is-the-first',
    'takes an empty directory for the first incarnation, with all rights',
    'server/directory',
    [
      `const plan = await introducedPlan(settings, means);
    warn(settings, plan.incarnation, 'its directory is empty');
    const hardState = await HardState.create(disk, directory, forgetful);`,
      `const plan = { ...(await introducedPlan(settings, means)), incarnation: firstIncarnation };
    const hardState = await HardState.create(disk, directory, { ...forgetful, admitted: firstIncarnation });`,
    ],
  ),
  changesNothing('one-number-fewer', 'never draws one of the numbers', 'server/directory', [
    'Math.max(firstIncarnation + 1,',
    'Math.max(firstIncarnation + 2,',
  ]),
];
