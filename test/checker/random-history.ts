/**
 * Valid histories of any size: sessions that append to an atomic log and look at it at random
 * moments between random calls and returns. Times are whole and the delays short, so that many
 * operations touch at one instant.
 */
import type { RandomSource } from '../../proto/clock.js';
import { AtomicLog } from './atomic-log.js';
import { pick, upTo } from './choice.js';
import type { History, Operation } from './history.js';

export interface Size {
  readonly operations: number;
  readonly sessions: number;
  /** Between a call, its effect and its return, and before the next call. */
  readonly delayMsMax: number;
}

/** A writer calls without waiting; a client waits for each answer; a tail reads page after page. */
type Role = 'writer' | 'client' | 'tail';

type Plan =
  | { readonly type: 'append'; readonly fate: 'known' | 'unknown' | 'never' | 'failed' }
  | { readonly type: 'read' | 'page' | 'end' }
  | { readonly type: 'wait'; readonly waitMs: number; readonly outcome: 'more' | 'nothing' };

/** An operation that has its times and waits for its turn at the log. */
interface Draft {
  readonly plan: Plan;
  readonly session: string;
  readonly calledAt: number;
  readonly returnedAt: number | null;
  readonly effectAt: number;
  /** Equal ones of all happen in this order. */
  readonly rank: number;
}

export function randomHistory(random: RandomSource, size: Size): History {
  const drafts: Draft[] = [];
  for (let n = 0; n < size.sessions; n += 1) {
    const count =
      Math.floor(size.operations / size.sessions) + (n < size.operations % size.sessions ? 1 : 0);
    const role = pick<Role>(['writer', 'writer', 'client', 'client', 'tail'], random);
    for (const draft of draftSession(`${role}${n}`, role, count, size.delayMsMax, random)) {
      drafts.push(draft);
    }
  }
  // Stable, so that a session's effects at one instant keep their order.
  drafts.sort((a, b) => a.effectAt - b.effectAt || a.rank - b.rank);
  const log = new AtomicLog(random);
  const answers = drafts.map((draft) => ({ draft, finish: perform(draft, log, random) }));
  answers.sort((a, b) => a.draft.calledAt - b.draft.calledAt || a.draft.rank - b.draft.rank);
  return { operations: answers.map(({ finish }) => finish()), final: log.batches };
}

function* draftSession(
  session: string,
  role: Role,
  count: number,
  delayMsMax: number,
  random: RandomSource,
): Generator<Draft> {
  const delay = () => upTo(delayMsMax, random);
  const rank = random.fraction();
  let nextCallAt = delay();
  let appendedAt = 0;
  for (let n = 0; n < count; n += 1) {
    const plan = draftPlan(role, delayMsMax, random);
    const calledAt = nextCallAt;
    let effectAt = calledAt + delay();
    let returnedAt: number | null = effectAt + delay();
    if (plan.type === 'append') {
      if (plan.fate === 'unknown' || plan.fate === 'never') {
        returnedAt = random.fraction() < 0.3 ? null : calledAt + delay();
        effectAt += delay();
      }
      effectAt = Math.max(effectAt, appendedAt);
      if (plan.fate === 'known') returnedAt = effectAt + delay();
      if (plan.fate === 'failed') effectAt = calledAt;
      else appendedAt = effectAt;
    } else if (plan.type === 'wait' && plan.outcome === 'nothing') {
      returnedAt = calledAt + plan.waitMs + delay();
    }
    yield { plan, session, calledAt, returnedAt, effectAt, rank };
    nextCallAt = role === 'writer' ? calledAt + delay() : (returnedAt ?? calledAt) + delay();
  }
}

function draftPlan(role: Role, delayMsMax: number, random: RandomSource): Plan {
  if (role === 'tail') return { type: 'page' };
  const chance = random.fraction();
  if (role === 'writer' || chance < 0.4) {
    const fates = ['known', 'known', 'known', 'known', 'unknown', 'never', 'failed'] as const;
    return { type: 'append', fate: pick(fates, random) };
  }
  if (chance < 0.65) return { type: 'read' };
  if (chance < 0.9) return { type: 'end' };
  const outcome = pick(['more', 'nothing'] as const, random);
  return { type: 'wait', waitMs: upTo(delayMsMax, random), outcome };
}

/** Does it now; the answer is finished when all is done, for a batch may still grow. */
function perform(draft: Draft, log: AtomicLog, random: RandomSource): () => Operation {
  const { plan, session, calledAt, returnedAt } = draft;
  const call = { session, calledAt, returnedAt };
  if (plan.type === 'append') return performAppend(draft, plan.fate, log, random);
  log.seal();
  if (plan.type === 'end') {
    const linearizable = random.fraction() < 0.7;
    const dataEnd = linearizable ? log.dataEnd : log.olderEnd();
    return () => ({ ...call, type: 'end', dataEnd, linearizable });
  }
  if (plan.type === 'wait') {
    const { waitMs, outcome } = plan;
    const offset = log.dataEnd;
    const readableAt = outcome === 'more' ? draft.effectAt : null;
    return () => ({ ...call, type: 'wait', offset, waitMs, outcome, readableAt });
  }
  const page = plan.type === 'page' ? log.nextPage(session) : log.somePage();
  const stream = plan.type === 'page' ? { stream: 'tail' } : {};
  return () => ({ ...call, type: 'read', ...page, ...stream });
}

function performAppend(
  { session, calledAt, returnedAt, effectAt }: Draft,
  fate: 'known' | 'unknown' | 'never' | 'failed',
  log: AtomicLog,
  random: RandomSource,
): () => Operation {
  const call = { session, calledAt, returnedAt, type: 'append' } as const;
  const entries = log.newEntries();
  const isConditional = random.fraction() < 0.25;
  const expect = isConditional ? { expect: log.dataEnd } : {};
  if (fate === 'failed') {
    const end = log.dataEnd;
    log.seal();
    return isConditional
      ? () => {
          const outcome = { type: 'failed', code: 'CONDITION_FAILED', end } as const;
          return { ...call, entries, expect: end + 1, outcome };
        }
      : () => ({ ...call, entries, outcome: { type: 'failed', code: 'DEADLINE' } });
  }
  if (fate === 'never') {
    return () => ({ ...call, entries, ...expect, outcome: { type: 'unknown', code: 'DEADLINE' } });
  }
  const mark = isConditional ? undefined : `${session} ${effectAt}`;
  const { batch, offsets } = log.append(entries, mark);
  return () => {
    if (fate === 'unknown') {
      return { ...call, entries, ...expect, outcome: { type: 'unknown', code: 'DEADLINE' } };
    }
    const outcome = { type: 'acknowledged', offsets, end: batch.end } as const;
    return { ...call, entries, ...expect, outcome };
  };
}
