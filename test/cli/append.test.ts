t.test('lines become entries, an offset each, and tail gives them back', async (t) => {
  const offsets = await shell.append([], 'one\n\nthree');
  t.equal(offsets.length, 3);
  t.same(
    offsets.toSorted((a, b) => a - b),
    offsets,
  );
  const tail = await shell.done(['tail', '--from', String(offsets[0])]);
  t.same(linesOf(tail), ['one', '', 'three']);
});

t.test('each framing keeps every byte', async (t) => {
  const entries = [randomBytes(1), Buffer.alloc(0), randomBytes(70_000)];
  const framed = Buffer.concat(entries.flatMap((entry) => frameEntry(entry, 'u32')));
  const [first] = await shell.append(['--frame', 'u32'], framed);
  t.ok((await shell.done(['cat', '--frame', 'u32', '--from', String(first)])).stdout.equals(framed));

  const bytes = randomBytes(200_000);
  const whole = await shell.append(['--frame', 'whole'], bytes);
  t.equal(whole.length, 1);
  t.ok((await shell.bytesFrom(whole[0] ?? 0)).equals(bytes));

  const split = await shell.append(['--split', '64KiB'], bytes);
  t.equal(split.length, 4);
  t.ok((await shell.bytesFrom(split[0] ?? 0)).equals(bytes));
});

t.test('files are cut each on its own', async (t) => {
  const directory = await temporaryDirectory(t);
  const files = [join(directory, 'a'), join(directory, 'b')];
  await writeFile(files[0] ?? '', 'one\ntwo');
  await writeFile(files[1] ?? '', 'three\n');
  const offsets = await shell.append(files, '');
  t.same(LINES['tail', '--from', String(offsets[0])])), ['one', 'two', 'three']);
  const missing = await shell.refused(['append', join(directory, 'missing')]);
  t.equal(missing.status, 1);
  t.match(missing.stderr, /^error: ENOENT /);
});

t.test('--expect appends all or nothing, and exits with 6 on a conflict', async (t) => {
  const before = await shell.end();
  const lines = LINES['append', '--json', '--expect', String(before)], 'a\nb\n'));
  const acknowledged = lines.map((line) => JSON.parse(line));
  t.equal(acknowledged.length, 2);
  t.same(acknowledged[1].end, await shell.end(), 'the end is what the next --expect wants');
  const conflict = await shell.refused(['append', '--json', '--expect', String(before)], 'c\n');
  t.equal(conflict.status, 6);
  t.equal(conflict.stdout, '');
  t.match(JSON.parse(conflict.stderr), {
    error: { code: 'CONDITION_FAILED', end: await shell.end(), outcome: 'none' },
  });
  const ahead = await shell.refused(['append', '--expect', String((await shell.end()) + 1)], 'd\n');
  t.equal(ahead.status, 5, 'an expected end that is not there yet');
});

t.test('an input without entries is refused', async (t) => {
  for (const args of [[], ['--frame', 'whole'], ['--frame', 'u32'], ['--split', '1KiB']]) {
    const { status, stderr } = await shell.refused(['append', ...args], '');
    t.equal(status, 1);
    t.match(stderr, /^error: EMPTY_APPEND /);
  }
});

t.test('what came before a line over the limit stays appended, and is told', async (t) => {
  const before = await shell.end();
  const input = Buffer.concat([Buffer.from('kept\n'), Buffer.alloc(entryBytesMax + 1, 'x')]);
  const { status, stdout, stderr } = await shell.refused(['append'], input);
  t.equal(status, 1);
  t.match(stderr, /^error: ENTRY_TOO_LARGE .*16777215/);
  t.match(stdout, /^\d+\n$/);
  t.equal((await shell.bytesFrom(before)).toString(), 'kept');
});

t.test('a u32 input cut short is refused, and what came before it stays', async (t) => {
  const before = await shell.end();
  const framed = Buffer.concat(frameEntry(Buffer.from('kept'), 'u32'));
  const input = Buffer.concat([framed, framed.subarray(0, 6)]);
  const { status, stderr } = await shell.refused(['append', '--frame', 'u32'], input);
  t.equal(status, 1);
  t.match(stderr, /^error: BAD_FRAMING /);
  t.equal((await shell.bytesFrom(before)).toString(), 'kept');
});

