import { spawnSync } from 'node:child_process';
import t from 'tap';
import { v8Flags } from '../../cli/v8.js';

t.test('this Node.js knows every flag, and so says nothing of them', async (t) => {
  const flags = v8Flags(process.versions.v8);
  const { status, stderr } = spawnSync(process.execPath, [...flags, '--eval', '']);
  t.equal(stderr.toString(), '');
  t.equal(status, 0);
});

t.test('each version of V8 is given the flags that it has', async (t) => {
  const rareMarking = '--heap-growing-percent=1000';
  const byCalls = [
    '--invocation-count-for-maglev=50',
    '--invocation-count-for-turbofan=250',
    '--minimum-invocations-after-ic-update=100',
  ];
  const buffersAsHeap = '--external-memory-accounted-in-global-limit';
  t.same(v8Flags('11.3.244.8-node.38'), [rareMarking, '--interrupt-budget=2000'], 'Node.js 20');
  for (const version of ['12.4.254.21-node.57', '12.9.202.28-node.14']) {
    t.same(v8Flags(version), [rareMarking, ...byCalls], `Node.js 22 and 23: ${version}`);
  }
  for (const version of ['13.6.233.17-node.53', '14.1.146.11-node.25', '14.6.202.34-node.34']) {
    t.same(v8Flags(version), [rareMarking, ...byCalls, buffersAsHeap], `Node.js 24 on: ${version}`);
  }
});
