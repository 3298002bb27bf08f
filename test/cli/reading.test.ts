t.test('tail --json has an offset, a time and the data in base64', async (t) => {
  const [offset] = await shell.append([], 'json\n');
  const lines = LINES['tail', '--json', '--from', String(offset)]));
  const entries = lines.map((line) => JSON.parse(line));
  t.same(entries, [
    { offset, time: entries[0].time, data: Buffer.from('json').toString('base64') },
  ]);
  t.ok(Math.abs(Date.parse(entries[0].time) - Date.now()) < 60_000);
});

t.test('tail --limit gives that many, and --from end none of the past', async (t) => {
  const offsets = await shell.append([], 'a\nb\nc\n');
  const from = ['--from', String(offsets[0])];
  t.same(LINES['tail', ...from, '--limit', '2'])), ['a', 'b']);
  t.same(LINES['tail', '--from', 'end'])), []);
});

t.test('tail --follow shows what is appended later, on the node asked for', async (t) => {
  const from = String(await shell.end());
  const tail = startCommand(['tail', '--follow', '--from', from, '--limit', '2', '--node', 'n2'], {
    cluster,
  });
  const result = resultOf(tail);
  await shell.append([], 'first\n');
  await shell.append([], 'second\n');
  const { status, stdout } = await result;
  t.equal(status, 0);
  t.equal(stdout.toString(), 'first\nsecond\n');
});

t.test('every node gives the same bytes, within a range', async (t) => {
  const offsets = await shell.append([], 'in\nside\nbeyond\n');
  const range = ['--from', String(offsets[0]), '--to', String(offsets[2])];
  for (const node of ['n1', 'n2', 'n3']) {
    const cat = await shell.done(['cat', '--frame', 'line', '--node', node, ...range]);
    t.equal(cat.stdout.toString(), 'in\nside\n', node);
  }
});

t.test('an offset beyond the end is refused', async (t) => {
  const beyond = String((await shell.end()) + 1_000_000);
  for (const args of [
    ['tail', '--from', beyond],
    ['cat', '--to', beyond],
  ]) {
    const { status, stderr } = await shell.refused(args);
    t.equal(status, 1);
    t.match(stderr, /^error: OFFSET_BEYOND_END /);
  }
});

t.test('an unknown node is refused', async (t) => {
  for (const args of [
    ['cat', '--node', 'n9'],
    ['transfer', 'n9'],
  ]) {
    const { status, stderr } = await shell.refused(args);
    t.equal(status, 2);
    t.match(stderr, /^error: UNKNOWN_NODE /);
  }
});

t.test('a follower waits for more until its time is up, and exits with 4', async (t) => {
  const { status, stderr } = await shell.refused(['tail', '--follow', '--timeout', '700ms']);
  t.equal(status, 4);
  t.match(stderr, /^error: DEADLINE /);
});

t.test('a closed pipe is quiet', async (t) => {
  await shell.append(['--split', '1KiB'], randomBytes(2 ** 20));
  for (const args of [['cat'], ['tail', '--follow']]) {
    const child = startCommand(args, { cluster });
    child.stdout.once('data', () => child.stdout.destroy());
    child.stdout.on('error', () => {});
    const stderr: Buffer[] = [];
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    const status = await new Promise((resolve) => child.once('exit', resolve));
    t.equal(status, 0, args.join(' '));
    t.equal(Buffer.concat(stderr).toString(), '');
  }
});

