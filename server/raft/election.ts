/**
 * Elections, with pre-vote and check-quorum (Ongaro's dissertation, sections 9.6 and 6.2): nobody
 * raises its term before a quorum would vote for it, and nobody who hears a leader votes.
 */
import { isAdmitted, isDiskStalled, send } from './core.js';
import type { Core } from './core.js';
import { becomeLeader } from './leader.js';
import { durableEnd } from './log.js';
import { isAlone, isQuorum, isVoter } from './quorum.js';
import {
  becomeFollower,
  enterRole,
  leaderOf,
  restartElectionTimeout,
  saveHardState,
} from './role.js';
import type { Candidate } from './state.js';
import type { Message, NodeId } from './types.js';

type VoteRequest = Extract<Message, { type: 'voteRequest' }>;
type VoteReply = Extract<Message, { type: 'voteReply' }>;

/** Campaigns once no leader has been heard for the timeout; gives up on the leader if it may not. */
export function campaignIfDue(core: Core): void {
  const { state, options } = core;
  const waitedTicks = state.tick - state.waitingSinceTick;
  if (!isAlone(options.configuration, options.id) && waitedTicks < state.electionTimeoutTicks)
    return;
  if (mayCampaign(core)) campaign(core, 'preVote');
  else if (state.role.type === 'follower' && state.role.leader !== null) {
    becomeFollower(core, state.term, null);
  }
}

/** The leader hands over: its word replaces the pre-vote. */
export function onTimeoutNow(core: Core, from: NodeId): void {
  const { role } = core.state;
  if (role.type !== 'follower' || role.leader !== from || !mayCampaign(core)) return;
  campaign(core, 'vote', true);
}

export function onVoteRequest(core: Core, from: NodeId, request: VoteRequest): void {
  const { state, options } = core;
  const { preVote } = request;
  const { configuration, id } = options;
  if (!isVoter(configuration, id) || !isVoter(configuration, from)) return;
  const isNewer = request.term > state.term;
  if (request.term < state.term || (hearsLeader(core) && !request.transfer)) {
    return reply(core, from, preVote, state.term, false);
  }
  const granted = (isNewer || isFreeFor(core, from)) && isUpToDate(core, request);
  if (preVote) return reply(core, from, true, granted ? request.term : state.term, granted);
  if (isNewer) becomeFollower(core, request.term, null, granted ? from : null);
  else if (granted && state.vote === null) {
    saveHardState(core, { term: state.term, vote: from, admitted: state.admitted });
    restartElectionTimeout(state, options);
  }
  reply(core, from, false, state.term, granted);
}

/** Counts a vote of the campaign that is going on. */
export function onVoteReply(core: Core, from: NodeId, voteReply: VoteReply): void {
  const { role, term } = core.state;
  if (role.type !== 'candidate' || !voteReply.granted) return;
  const stage = voteReply.preVote ? 'preVote' : 'vote';
  const askedTerm = voteReply.preVote ? term + 1 : term;
  if (role.stage !== stage || voteReply.term !== askedTerm) return;
  if (!role.granted.includes(from)) role.granted.push(from);
  proceedIfElected(core, role);
}

function campaign(core: Core, stage: Candidate['stage'], transfer = false): void {
  const { state, options } = core;
  const { id, configuration } = options;
  const candidate: Candidate = { type: 'candidate', stage, granted: [id] };
  const { admitted } = state;
  if (stage === 'vote') enterRole(core, candidate, { term: state.term + 1, vote: id, admitted });
  else enterRole(core, candidate);
  const preVote = stage === 'preVote';
  const term = preVote ? state.term + 1 : state.term;
  const end = durableEnd(state.log);
  for (const voter of configuration.voters) {
    if (voter !== id) send(core, voter, { type: 'voteRequest', term, preVote, ...end, transfer });
  }
  proceedIfElected(core, candidate);
}

function proceedIfElected(core: Core, candidate: Candidate): void {
  const isElected = isQuorum(core.options.configuration, (id) => candidate.granted.includes(id));
  if (!isElected) return;
  if (candidate.stage === 'preVote') campaign(core, 'vote');
  else becomeLeader(core);
}

function mayCampaign(core: Core): boolean {
  const { configuration, id } = core.options;
  return isVoter(configuration, id) && isAdmitted(core.state) && !isDiskStalled(core);
}

/** A leader is or was about less than the shortest election timeout ago. */
function hearsLeader(core: Core): boolean {
  const { role, tick, waitingSinceTick } = core.state;
  if (role.type !== 'follower') return role.type === 'leader';
  return role.leader !== null && tick - waitingSinceTick < core.options.electionTicks;
}

/** Whether this term's vote can go to `candidate`: where there is a leader it is of no use. */
function isFreeFor(core: Core, candidate: NodeId): boolean {
  const { vote, role } = core.state;
  return vote === candidate || (vote === null && leaderOf(role, core.options.id) === null);
}

/** Raft paper, section 5.4.1, over what is durable: nothing else was ever acknowledged. */
function isUpToDate(core: Core, request: VoteRequest): boolean {
  const own = durableEnd(core.state.log);
  if (request.lastTerm !== own.lastTerm) return request.lastTerm > own.lastTerm;
  return request.endOffset >= own.endOffset;
}

function reply(core: Core, to: NodeId, preVote: boolean, term: number, granted: boolean): void {
  send(core, to, { type: 'voteReply', term, preVote, granted });
}
