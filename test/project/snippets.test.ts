import t from 'tap';
import { runSnippet, snippetsIn } from './snippets.js';

const fence = '```';

t.test('only marked blocks are run, each with its output', async (t) => {
  const markdown = [
    `${fence}js\nnever();\n${fence}`,
    `<!-- test: run -->\n\n${fence}js\nconsole.log(1);\n${fence}\n\nprints\n`,
    `<!-- test: output -->\n\n${fence}\n1\n${fence}`,
    `<!-- test: run -->\n${fence}sh\ntrue\n\ntrue\n${fence}\n`,
  ].join('\n\n');
  t.same(snippetsIn(markdown), [
    { language: 'js', code: 'console.log(1);\n', output: '1\n' },
    { language: 'sh', code: 'true\n\ntrue\n' },
  ]);
});

t.test('a comment that would test nothing is an error', async (t) => {
  t.throws(() => snippetsIn('<!-- test: run -->\n\nwords\n'), /without its block/);
  t.throws(() => snippetsIn(`<!-- test: rum -->\n${fence}sh\ntrue\n${fence}`), /marked rum/);
  t.throws(() => snippetsIn(`<!-- test: run -->\n${fence}ts\n1;\n${fence}`), /a ts block/);
  t.throws(() => snippetsIn(`<!-- test: output -->\n${fence}\n1\n${fence}`), /marked output/);
});

t.test('a snippet runs in its directory and tells how it ended', async (t) => {
  const directory = t.testdir({
    node_modules: { '.bin': {} },
  });
  const js = await runSnippet(
    { language: 'js', code: 'console.log(process.cwd()); process.exitCode = 3;' },
    directory,
    10_000,
  );
  t.match(js, { exitCode: 3, stdout: `${directory}\n`, stderr: '' });
  const sh = await runSnippet(
    { language: 'sh', code: 'printf "%s\\n" "$PATH" | cut -d: -f1\nfalse\necho unreached\n' },
    directory,
    10_000,
  );
  t.match(sh, { exitCode: 1, stdout: `${directory}/node_modules/.bin\n` });
});

// A process that is left holds the output open, and the result would not come.
t.test('what takes too long is ended, with all that it started', async (t) => {
  const code = 'sleep 600 &\necho started\nwait\n';
  const result = await runSnippet({ language: 'sh', code }, t.testdir({}), 500);
  t.same(result, { exitCode: null, stdout: 'started\n', stderr: '' });
});

t.test('what a snippet leaves running is ended', async (t) => {
  const code = 'sleep 600 &\necho done\n';
  const result = await runSnippet({ language: 'sh', code }, t.testdir({}), 10_000);
  t.same(result, { exitCode: 0, stdout: 'done\n', stderr: '' });
});
