import t from 'tap';
import { readable } from '../../cli/log-lines.js';

const record = (fields: object) =>
  JSON.stringify({ level: 'info', time: '2026-01-02T03:04:05.678Z', node: 'n1', ...fields });

t.test('a line has the time, level, node, what happened, and the fields', async (t) => {
  const line = readable(record({ role: 'leader', term: 2, leader: null, msg: 'role' }));
  t.equal(line, '03:04:05.678 info n1 role role=leader term=2 leader=null\n');
});

t.test('of an error a line has the message, and no stack', async (t) => {
  const err = { type: 'Error', message: 'EIO: broken', stack: 'Error: EIO\n    at here' };
  t.equal(
    readable(record({ err, msg: 'stopped' })),
    '03:04:05.678 info n1 stopped err=EIO: broken\n',
  );
});
