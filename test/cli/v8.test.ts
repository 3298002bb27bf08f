import { spawnSync } from 'node:child_process';
import t from 'tap';
import { v8Flags } from '../../cli/v8.js';

t.test('this Node.js knows every flag, and so says nothing of them', async (t) => {
  const flags = v8Flags(process.versions.v8);
  const { status, stderr } = spawnSync(process.execPath, [...flags, '--eval', '']);
  t.equal(stderr.toString(), '');
  t.equal(status, 0);
});

t.test('functions are optimised sooner, by the flag that each version has for it', async (t) => {
  const flagOf = (version: string) => v8Flags(version).at(-1)?.split('=')[0];
  t.equal(flagOf('11.3.244.8-node.38'), '--interrupt-budget', 'Node.js 20');
  for (const version of ['11.8.172.17', '12.4.254.21', '13.6.233.17', '14.6.202.34']) {
    t.equal(flagOf(`${version}-node.1`), '--invocation-count-for-turbofan', version);
  }
});
