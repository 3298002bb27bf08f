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
  for (const max of statesMax) {
    for (const scope of scopes) {
      const { user, system } = process.cpuUsage();
      if (user + system > limitMicros) return { count, found: null };
      const { states, violation } = search(scope, max);
      count += states;
      if (violation !== null) return { count, found: `${scope.name}: ${violation.promise}` };
    }
  }
  return { count, found: null };
}
