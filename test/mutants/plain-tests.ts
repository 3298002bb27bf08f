/**
 * Files of plain tests, one after the other in one process, since to begin one takes longer than
 * most of them: LOGLOG_TESTS='["raft/term.test.js"]' plain-tests.js MUTANT. Tap names its folders
 * after the arguments, so two mutants share none.
 */
import t from 'tap';
import { passedComment } from './tap-output.js';

const files = JSON.parse(process.env['LOGLOG_TESTS'] ?? '') as readonly string[];

for (const file of files) {
  const beganMs = performance.now();
  await import(`../${file}`);
  // What the file asks of tap is queued, and this is behind it.
  await t.test(file, async () => {});
  t.comment(passedComment(file, performance.now() - beganMs));
}
