/** The search of the core's states, one scope after the other: explore.js SECONDS */
import { scopes } from '../model/scope.js';
import { search } from '../model/search.js';
import type { Finding } from './finding.js';

/** Most is found soon, in one scope or another. */
const statesMax = [5000, 20_000, 80_000, 320_000] as const;

const limitMicros = Number(process.argv[2]) * 1e6;

console.log(JSON.stringify(explore()));

function explore(): Finding {
  let count = 0;
  const tookMicros = new Map<string, number>();
  for (const max of statesMax) {
    for (const scope of scopes) {
      const beganMicros = usedMicros();
      // Each size is four times the one before. What cannot end in time is not begun.
      const expectedMicros = 4 * (tookMicros.get(scope.name) ?? 0);
      if (beganMicros + expectedMicros > limitMicros) continue;
      const { states, violation } = search(scope, max);
      count += states;
      if (violation !== null) return { count, found: `${scope.name}: ${violation.promise}` };
      tookMicros.set(scope.name, usedMicros() - beganMicros);
    }
  }
  return { count, found: null };
}

function usedMicros(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
