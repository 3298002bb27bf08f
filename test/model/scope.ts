/** What a search covers: the bounds within which it tries everything. */
export interface Scope {
  readonly name: string;
  /** What it is for, in a few words. */
  readonly about: string;
  /** Nobody campaigns for a later term. */
  readonly termMax: number;
  /** Batches proposed in all, the no-ops of new leaders apart. */
  readonly proposalsMax: number;
  readonly crashesMax: number;
  /** Heartbeats of leaders, each with a question for what may be lost. */
  readonly ticksMax: number;
  /** Leaders that give up because they hear no quorum. */
  readonly stepDownsMax: number;
  readonly readsMax: number;
  readonly transfersMax: number;
  /** Links that break and come back. */
  readonly relinksMax: number;
  /** Nodes that lose their disk. */
  readonly wipesMax: number;
  /** Nodes that get the directory back that they began with, where that is noticed. */
  readonly copiesMax: number;
  /** Led: one node has been elected by another, and its no-op is committed on these two. */
  readonly beginning: 'empty' | 'led';
  /**
   * Late: a save of term and vote is a moment of its own, with nothing but a crash in front of it.
   * Prompt: it belongs to what made it necessary.
   */
  readonly saves: 'prompt' | 'late';
  /** The same for syncs, and for the core's hearing of them. */
  readonly syncs: 'prompt' | 'late';
  /**
   * Asked: pre-votes and votes travel like everything else. Granted: everybody gets the pre-votes,
   * which is more than can happen, since safety rests on votes alone. Together: besides, one voter
   * is asked and answers in the moment of the campaign, which leaves room for many terms.
   */
  readonly elections: 'asked' | 'granted' | 'together';
  /** Whether each body arrives at each node at a moment of its own, or everywhere at once. */
  readonly bodies: 'together' | 'apart';
  /** Of the core; 1 sends every batch alone. */
  readonly messageBytesMax: number;
}

const nothing = {
  proposalsMax: 0,
  crashesMax: 0,
  ticksMax: 0,
  stepDownsMax: 0,
  readsMax: 0,
  transfersMax: 0,
  relinksMax: 0,
  wipesMax: 0,
  copiesMax: 0,
  beginning: 'empty',
  saves: 'prompt',
  syncs: 'prompt',
  elections: 'together',
  bodies: 'together',
  messageBytesMax: 1,
} as const;

export const scopes: readonly Scope[] = [
  {
    ...nothing,
    name: 'election',
    about: 'one term, its no-op, and a crash between any two persists: to the end',
    termMax: 1,
    crashesMax: 1,
    saves: 'late',
    syncs: 'late',
    elections: 'granted',
  },
  {
    ...nothing,
    name: 'batch',
    about: 'one term and one batch, with slow saves and syncs: to the end',
    termMax: 1,
    proposalsMax: 1,
    saves: 'late',
    syncs: 'late',
    elections: 'granted',
  },
  {
    ...nothing,
    name: 'term',
    about: 'one term with three batches and slow syncs',
    termMax: 1,
    proposalsMax: 3,
    syncs: 'late',
    messageBytesMax: 3,
  },
  {
    ...nothing,
    name: 'votes',
    about: 'elections with pre-votes, and a crash around any save',
    termMax: 2,
    crashesMax: 1,
    saves: 'late',
    syncs: 'late',
    elections: 'asked',
  },
  {
    ...nothing,
    name: 'disks',
    about: 'slow disks, and a crash between any two persists',
    termMax: 2,
    proposalsMax: 1,
    crashesMax: 1,
    saves: 'late',
    syncs: 'late',
    elections: 'granted',
  },
  {
    ...nothing,
    name: 'cuts',
    about: 'truncations under slow syncs, a crash, a disk that hangs',
    termMax: 3,
    crashesMax: 1,
    stepDownsMax: 1,
    syncs: 'late',
  },
  {
    ...nothing,
    name: 'bodies',
    about: 'bodies that arrive at some nodes only',
    termMax: 2,
    proposalsMax: 2,
    bodies: 'apart',
    messageBytesMax: 3,
  },
  {
    ...nothing,
    name: 'terms',
    about: 'many leaders, each with a no-op that reaches some nodes or none',
    termMax: 4,
  },
  {
    ...nothing,
    name: 'reads',
    about: 'linearizable questions while leaders come and go',
    termMax: 2,
    readsMax: 2,
  },
  {
    ...nothing,
    name: 'handover',
    about: 'leadership transfer, broken links, lost appends, check-quorum',
    termMax: 2,
    proposalsMax: 1,
    transfersMax: 1,
    relinksMax: 1,
    ticksMax: 1,
    stepDownsMax: 1,
  },
  {
    ...nothing,
    name: 'wiped',
    about: 'a node loses its disk and is admitted again while leaders change: to the end',
    termMax: 2,
    wipesMax: 1,
  },
  {
    ...nothing,
    name: 'readmitted',
    about: 'the same with a batch and a question, and three terms',
    beginning: 'led',
    termMax: 3,
    proposalsMax: 1,
    readsMax: 1,
    wipesMax: 1,
  },
  {
    ...nothing,
    name: 'lost',
    about: 'the same in one term with slow disks, and a crash between any two persists: to the end',
    beginning: 'led',
    termMax: 1,
    crashesMax: 1,
    wipesMax: 1,
    saves: 'late',
    syncs: 'late',
    elections: 'granted',
  },
  {
    ...nothing,
    name: 'older',
    about: 'a node gets an older copy of its directory back, and who remembers says so: to the end',
    beginning: 'led',
    termMax: 2,
    copiesMax: 1,
  },
  {
    ...nothing,
    name: 'everything',
    about: 'three batches, three terms, and all of the above at once',
    termMax: 3,
    proposalsMax: 3,
    crashesMax: 2,
    ticksMax: 1,
    stepDownsMax: 1,
    readsMax: 1,
    transfersMax: 1,
    relinksMax: 1,
    saves: 'late',
    syncs: 'late',
    elections: 'asked',
    bodies: 'apart',
    messageBytesMax: 3,
  },
];
