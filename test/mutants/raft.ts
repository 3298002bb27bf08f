import type { Mutation } from './mutation.js';

type Change = readonly [find: string, replace: string];

function fault(name: string, what: string, file: string, [find, replace]: Change): Mutation {
  return { name, fault: what, file: `server/raft/${file}.js`, find, replace, harmful: true };
}

function nothing(name: string, what: string, file: string, change: Change): Mutation {
  return { ...fault(name, what, file, change), harmful: false };
}

/** The rules of the core, each broken once. */
export const raftMutations: readonly Mutation[] = [
  fault('vote-not-saved', 'saves a term without the vote in it', 'role', [
    "push({ type: 'saveHardState', term, vote })",
    "push({ type: 'saveHardState', term, vote: null })",
  ]),
  fault('term-not-saved', 'saves neither term nor vote', 'role', [
    "core.effects.push({ type: 'saveHardState', term, vote });",
    '',
  ]),
  fault('vote-twice', 'votes for everybody who asks', 'election', [
    'return vote === candidate ||',
    'return true ||',
  ]),
  fault('no-own-vote', 'campaigns without a vote for itself on disk', 'election', [
    'state.term + 1, id)',
    'state.term + 1, null)',
  ]),
  fault('any-log-wins', 'votes for a log that lacks something', 'election', [
    ' && isUpToDate(core, request)',
    '',
  ]),
  fault('longest-log-wins', 'compares the length of logs and not their last terms', 'election', [
    'request.lastTerm !== own.lastTerm',
    'false',
  ]),
  fault('vote-in-old-term', 'grants a request of an older term', 'election', [
    'reply(core, from, preVote, state.term, false)',
    'reply(core, from, preVote, request.term, request.term < state.term)',
  ]),
  fault('votes-kept', 'counts the votes of an earlier campaign', 'election', [
    'granted: [id] }',
    "granted: state.role.type === 'candidate' ? [...state.role.granted] : [id] }",
  ]),
  fault('pre-vote-raises-term', 'takes over the term of a pre-vote', 'election', [
    'if (preVote)',
    'if (preVote && !isNewer)',
  ]),
  fault('pre-vote-is-heard', 'takes a pre-vote for the sign of a leader', 'election', [
    'const granted = (isNewer',
    'if (preVote) state.waitingSinceTick = state.tick + 1;\n    const granted = (isNewer',
  ]),
  fault('not-sticky', 'votes although it hears a leader', 'election', [
    'hearsLeader(core) && !request.transfer',
    'false',
  ]),
  fault('small-quorum', 'takes one node of three for a majority', 'quorum', [
    '.length > configuration.voters.length',
    '.length >= configuration.voters.length - 1',
  ]),
  fault('commit-by-one', 'commits what one node has', 'quorum', [
    'Math.floor(descending.length / 2)',
    '0',
  ]),
  fault('commit-older-term', 'commits by counting a batch of an older term', 'leader', [
    'offset > leader.startOffset',
    'offset > 0',
  ]),
  fault('count-own-unsynced', 'counts its own batches before they are synced', 'leader', [
    'voter === id ? log.durableOffset',
    'voter === id ? log.endOffset',
  ]),
  fault('count-what-is-sent', 'counts batches when it sends them', 'replication', [
    'peer.nextOffset = end;',
    'peer.nextOffset = end;\n    peer.matchOffset = end;',
  ]),
  fault('no-check-quorum', 'leads on although it hears nobody', 'leader', [
    ' || !hearsQuorum(core, leader)',
    '',
  ]),
  fault('lead-on-stalled-disk', 'leads on although its disk hangs', 'leader', [
    'isDiskStalled(core) || ',
    '',
  ]),
  fault('commit-goes-back', 'takes any commit offset that is another', 'core', [
    'offset <= log.commitOffset',
    'offset === log.commitOffset',
  ]),
  fault('acknowledge-unsynced', 'acknowledges before the sync', 'follower', [
    'Math.min(log.durableOffset, matchedOffset)',
    'matchedOffset',
  ]),
  fault('acknowledge-unmatched', 'acknowledges all of its log, whoever wrote it', 'follower', [
    'Math.min(log.durableOffset, matchedOffset)',
    'log.durableOffset',
  ]),
  fault('commit-own-end', 'follows the commit offset up to its own end', 'follower', [
    'Math.min(leaderCommit, core.state.matchedOffset)',
    'Math.min(leaderCommit, core.state.log.endOffset)',
  ]),
  fault('matched-is-end', 'takes all of its log for matched', 'follower', [
    'marks.at(-1)?.end ?? prevOffset)',
    'log.endOffset)',
  ]),
  fault('matched-outlives-term', 'keeps the matched offset in a new term', 'role', [
    'state.matchedOffset = 0;',
    ';',
  ]),
  fault('no-previous-check', 'appends behind whatever is there', 'follower', [
    'prevOffset > 0 && termBefore(log.terms, prevOffset) !== prevTerm',
    'false',
  ]),
  fault('late-append-truncates', 'cuts a matching suffix off', 'log', [
    "? 'same' : 'contradiction'",
    "? (mark.end < log.endOffset ? 'conflict' : 'same') : 'contradiction'",
  ]),
  fault('conflict-kept', 'keeps what contradicts the leader', 'log', [
    "? 'contradiction' : 'conflict'",
    "? 'contradiction' : 'same'",
  ]),
  fault('stale-sync', 'believes a sync of what was cut off since', 'log', [
    'generation !== log.generation || offset <=',
    'offset <=',
  ]),
  fault('durable-after-cut', 'calls durable what it has cut off', 'log', [
    'log.durableOffset = Math.min(log.durableOffset, offset);',
    '',
  ]),
  fault('terms-after-cut', 'keeps the terms of what it has cut off', 'log', [
    'truncateTerms(log.terms, offset);',
    '',
  ]),
  fault('obey-old-leader', 'takes messages of older terms', 'raft', [
    'if (message.term < state.term)',
    'if (false)',
  ]),
  fault('lead-on-in-old-term', 'leads on when it hears of a later term', 'raft', [
    'message.term > state.term && !isPreVote',
    "message.term > state.term && !isPreVote && state.role.type !== 'leader'",
  ]),
  fault('read-without-round', 'answers a question without asking the others', 'read-index', [
    'confirmedRound >= round',
    'confirmedRound >= 0',
  ]),
  fault('read-before-commit', 'answers before it has committed in its term', 'read-index', [
    'core.state.log.commitOffset <= leader.startOffset',
    'false',
  ]),
  fault('read-joins-round', 'answers by a round begun before the question', 'read-index', [
    'waiting.push(read)',
    '(running.length > 0 ? running : waiting).push(read)',
  ]),
  nothing('vote-despite-leader', 'gives a vote that no candidate can win with', 'election', [
    ' && leaderOf(role, core.options.id) === null',
    '',
  ]),
  nothing('median-ascending', 'finds the middle of three from below', 'quorum', [
    'sort((a, b) => b - a)',
    'sort((a, b) => a - b)',
  ]),
  nothing('trim-more', 'forgets marks a little earlier', 'marks', [
    'countMax >>> 3',
    'countMax >>> 2',
  ]),
  nothing('unguarded-conflict', 'does not look out for what Raft rules out', 'follower', [
    'mark.offset < Math.max(log.commitOffset, matchedOffset)',
    'false',
  ]),
];
