/**
 * Puts one mutant into a program: LOGLOG_MUTANT=name node --import ./dist/test/mutants/hooks.js …
 * The module that it changes is patched while it is loaded; no file is touched. Node.js loads this
 * module twice, once in the program and once in the thread that loads modules.
 */
import { register } from 'node:module';
import type { LoadHook } from 'node:module';
import { isMainThread } from 'node:worker_threads';
import { mutations } from './mutants.js';
import { mutate } from './mutation.js';

const name = process.env['LOGLOG_MUTANT'];
const mutation = mutations.find((candidate) => candidate.name === name);
if (mutation === undefined) throw new Error(`LOGLOG_MUTANT names no mutant: ${name}`);

const mutated = new URL(`../../${mutation.file}`, import.meta.url).href;

if (isMainThread) register(import.meta.url);

export const load: LoadHook = async (url, context, nextLoad) => {
  const loaded = await nextLoad(url, context);
  if (url !== mutated) return loaded;
  const { source } = loaded;
  if (!(source instanceof Uint8Array)) throw new Error(`${url} has no source`);
  return { ...loaded, source: mutate(Buffer.from(source).toString('utf8'), mutation) };
};
