/** All mutants, and which plain tests are about the code that each changes. */
import { clientMutations } from './client.js';
import { incarnationMutations } from './incarnations.js';
import { logMutations } from './log.js';
import type { Mutation } from './mutation.js';
import { raftMutations } from './raft.js';
import { repairMutations } from './repair.js';
import { serverMutations } from './server.js';
import { uploadMutations } from './uploads.js';

export interface Area {
  readonly name: string;
  readonly mutations: readonly Mutation[];
  /** Whether the search of the core's states can see them. */
  readonly isCore: boolean;
  /** Folders of plain tests below `test`, or single ones, those that are nearest first. */
  readonly tests: readonly string[];
}

export const areas: readonly Area[] = [
  { name: 'core', mutations: raftMutations, isCore: true, tests: ['raft', 'engine'] },
  {
    name: 'incarnations',
    mutations: incarnationMutations,
    isCore: true,
    tests: ['raft', 'engine'],
  },
  {
    name: 'server',
    mutations: serverMutations,
    isCore: false,
    tests: [
      'log/producers.test.js',
      'log/state.test.js',
      'engine',
      'client',
      'node/exactness.test.js',
    ],
  },
  {
    name: 'log',
    mutations: logMutations,
    isCore: false,
    tests: ['log/recovery.test.js', 'log', 'engine'],
  },
  {
    name: 'repair',
    mutations: repairMutations,
    isCore: false,
    tests: ['log', 'engine', 'sim/flips.test.js'],
  },
  {
    name: 'uploads',
    mutations: uploadMutations,
    isCore: false,
    tests: ['uploads', 'engine', 'client', 'node/bad-input.test.js'],
  },
  { name: 'client', mutations: clientMutations, isCore: false, tests: ['client', 'engine'] },
];

export const mutations: readonly Mutation[] = areas.flatMap((area) => area.mutations);
