import t from 'tap';
import { formatTable } from '../../cli/table.js';

t.test('columns are as wide as their widest cell', async (t) => {
  t.same(
    formatTable([
      ['id', 'offset'],
      ['n1', '7'],
      ['n10', '12345678'],
    ]),
    ['id     offset', 'n1          7', 'n10  12345678'],
  );
});

t.test('a short row leaves the rest empty', async (t) => {
  t.same(formatTable([['a', 'b', 'c'], ['n1']]), ['a   b  c', 'n1']);
});
