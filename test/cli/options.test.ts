import fc from 'fast-check';
import t from 'tap';
import { defaultPort } from '../../cli/dev.js';
import {
  defaultCluster,
  parseAddresses,
  parseBytes,
  parseCount,
  parseDuration,
  parseLimit,
  parseNodes,
  parseOffset,
  parsePeers,
  parsePort,
  parsePosition,
  parseSeconds,
} from '../../cli/options.js';
import { planNodes } from '../../cli/processes.js';

t.test('sizes have units of ten and of two', async (t) => {
  t.equal(parseBytes('65536'), 65_536);
  t.equal(parseBytes('64KiB'), 65_536);
  t.equal(parseBytes('1MiB'), 2 ** 20);
  t.equal(parseBytes('1MB'), 1_000_000);
  t.equal(parseBytes('2 gib'), 2 ** 31);
  t.equal(parseBytes('7B'), 7);
  for (const text of ['', '0', '-1', '1.5MiB', '64K', 'KiB', '1e3', '99999999999GiB', '0x10']) {
    t.throws(() => parseBytes(text), { code: 'CONFIG_INVALID' }, `'${text}'`);
  }
});

t.test('a bare duration is in seconds', async (t) => {
  t.equal(parseDuration('5'), 5000);
  t.equal(parseDuration('0.25'), 250);
  t.equal(parseDuration('500ms'), 500);
  t.equal(parseDuration('2m'), 120_000);
  for (const text of ['', '0', '-1s', '5h', 's', '1,5s', '999999999s', 'soon']) {
    t.throws(() => parseDuration(text), { code: 'CONFIG_INVALID' }, `'${text}'`);
  }
});

t.test('offsets are safe integers and nothing else', async (t) => {
  fc.assert(fc.property(fc.maxSafeNat(), (offset) => parseOffset(String(offset)) === offset));
  for (const text of ['', '-1', '1.5', '1e3', ' 1', '9007199254740992', 'NaN', 'start']) {
    t.throws(() => parseOffset(text), { code: 'OFFSET_INVALID' }, `'${text}'`);
  }
  t.equal(parsePosition('start'), 'start');
  t.equal(parsePosition('end'), 'end');
  t.equal(parsePosition('12'), 12);
  t.throws(() => parsePosition('middle'), { code: 'OFFSET_INVALID' });
});

t.test('a limit of 0 is refused', async (t) => {
  t.equal(parseLimit('1'), 1);
  for (const text of ['0', '-1', '1.5', '']) {
    t.throws(() => parseLimit(text), { code: 'LIMIT_INVALID' }, `'${text}'`);
  }
});

t.test('counts and seconds have bounds, and so have clusters', async (t) => {
  t.equal(parseCount('it', '1', 10), 1);
  t.equal(parseCount('it', '10', 10), 10);
  for (const text of ['', '0', '11', '-1', '1.5', '1e1']) {
    const message = `it is a whole number from 1 to 10, not '${text}'`;
    t.throws(() => parseCount('it', text, 10), { code: 'CONFIG_INVALID', message });
  }
  t.equal(parseSeconds('0.5'), 0.5);
  t.equal(parseSeconds('86400'), 86_400);
  for (const text of ['', '0', '-1', '1s', '1e3', '.5', '86401']) {
    t.throws(() => parseSeconds(text), { code: 'CONFIG_INVALID' }, `'${text}'`);
  }
  t.same(['1', '3', '5', '7'].map(parseNodes), [1, 3, 5, 7]);
  for (const text of ['', '0', '2', '9', '33', 'three']) {
    t.throws(() => parseNodes(text), { code: 'CONFIG_INVALID' }, `'${text}'`);
  }
});

t.test('commands find the usual nodes of dev, whichever of them is down', async (t) => {
  const nodes = planNodes('', defaultPort, 3);
  t.same(
    defaultCluster,
    nodes.map(({ address }) => address),
  );
});

t.test('ports and addresses are checked', async (t) => {
  t.equal(parsePort('7600'), 7600);
  for (const text of ['0', '65536', '-1', 'http', '']) {
    t.throws(() => parsePort(text), { code: 'CONFIG_INVALID' }, `'${text}'`);
  }
  t.same(parseAddresses('a:1, b:2,[::1]:3'), ['a:1', 'b:2', '[::1]:3']);
  for (const text of ['', 'a', 'a:', ':1', 'a:65536', 'a:1,', 'a:1;b:2', '::1:3']) {
    t.throws(() => parseAddresses(text), { code: 'CONFIG_INVALID' }, `'${text}'`);
  }
});

t.test('a node list names each node once', async (t) => {
  t.same(parsePeers('n1=a:1,n2=b:2'), { n1: 'a:1', n2: 'b:2' });
  for (const text of ['', 'n1', 'n1=', '=a:1', 'n1=a', 'n1=a:1,n1=b:2', 'n1=a:1=b:2', 'n1=a:1,']) {
    t.throws(() => parsePeers(text), { code: 'CONFIG_INVALID' }, `'${text}'`);
  }
});
