/** Every kind of fault, and which of them may happen at the same time. */
import { fillDisk } from './full-disk.js';
import type { Fault } from './fault.js';
import { killAll, killLeader, killOne } from './kill.js';
import { bridge, cutLink, cutOneWay, delayLinks, partition } from './links.js';
import { pauseLeader, pauseOne } from './pause.js';
import { olderCopy } from './older-copy.js';
import { restartInTurn } from './restart.js';
import { rot } from './rot.js';
import { wipe } from './wipe.js';

/** Faults of one lane follow each other; the lanes run beside each other. */
export const lanes = ['process', 'network', 'disk'] as const;
export type Lane = (typeof lanes)[number];

interface FaultRow {
  readonly lane: Lane;
  readonly inject: Fault;
}

export const faultTable = {
  kill: { lane: 'process', inject: killOne },
  'kill-leader': { lane: 'process', inject: killLeader },
  'kill-all': { lane: 'process', inject: killAll },
  pause: { lane: 'process', inject: pauseOne },
  'pause-leader': { lane: 'process', inject: pauseLeader },
  restart: { lane: 'process', inject: restartInTurn },
  cut: { lane: 'network', inject: cutLink },
  'one-way': { lane: 'network', inject: cutOneWay },
  delay: { lane: 'network', inject: delayLinks },
  partition: { lane: 'network', inject: partition },
  bridge: { lane: 'network', inject: bridge },
  'full-disk': { lane: 'disk', inject: fillDisk },
  rot: { lane: 'disk', inject: rot },
  wipe: { lane: 'disk', inject: wipe },
  'older-copy': { lane: 'disk', inject: olderCopy },
} as const satisfies Record<string, FaultRow>;

export type FaultKind = keyof typeof faultTable;

export const faultKinds = Object.keys(faultTable) as FaultKind[];
