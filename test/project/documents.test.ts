import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import * as limits from '../../proto/limits.js';
import { readText, repositoryRoot } from './repository.js';

const documents = [
  'README.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'docs/ARCHITECTURE.md',
  'docs/FORMAT.md',
  'docs/PROTOCOL.md',
  'docs/OPERATIONS.md',
  'docs/TESTING.md',
];

/** The name by which a heading can be linked to, as GitHub makes it. */
function anchorOf(heading: string): string {
  return heading
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-');
}

function proseOf(markdown: string): string {
  return markdown.replace(/^```[^]*?^```$/gm, '');
}

function anchorsIn(markdown: string): Set<string> {
  const headings = proseOf(markdown).matchAll(/^#+ (.+)$/gm);
  return new Set([...headings].map(([, heading = '']) => anchorOf(heading)));
}

/** Links of a document to files or headings of this repository that are not there. */
function brokenLinks(path: string): string[] {
  const links = proseOf(readText(path)).matchAll(/\]\((?<link>[^)\s]+)\)/g);
  return [...links]
    .map(({ groups }) => groups?.['link'] ?? '')
    .filter((link) => !/^[a-z]+:/.test(link))
    .filter((link) => {
      const [file = '', anchor] = link.split('#');
      const target = file === '' ? path : join(dirname(path), file);
      if (!existsSync(join(repositoryRoot, target))) return true;
      return anchor !== undefined && !anchorsIn(readText(target)).has(anchor);
    });
}

t.test('every document is there and its links lead somewhere', async (t) => {
  t.ok(existsSync(join(repositoryRoot, 'LICENSE')), 'LICENSE');
  for (const path of documents) {
    t.ok(existsSync(join(repositoryRoot, path)), path);
    t.same(brokenLinks(path), [], `links in ${path}`);
  }
});

t.test('the license is the one that the package names', async (t) => {
  const { license } = JSON.parse(readText('package.json')) as { license: string };
  t.equal(license, 'Apache-2.0');
  t.match(readText('LICENSE'), /Apache License\s+Version 2\.0, January 2004/);
});

t.test('the limits in the documents are those in the code', async (t) => {
  const format = readText('docs/FORMAT.md');
  for (const [name, limit] of Object.entries(limits)) {
    const documented = new RegExp(`^\\| \`${name}\` +\\| ([0-9,]+)`, 'm').exec(format)?.[1];
    t.equal(documented?.replaceAll(',', ''), String(limit), name);
  }
});
