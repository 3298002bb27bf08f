/** What a node logs, to stderr: lines for people on a terminal, JSON for everything else. */
import pino from 'pino';
import type { LogLevel } from './options.js';
import { colour } from './output.js';

/** Of pino's own fields, and those that a line shows elsewhere. */
const shownElsewhere = new Set(['level', 'time', 'node', 'msg']);

export function createLogger(node: string, level: LogLevel): pino.Logger {
  const options: pino.LoggerOptions = {
    level,
    base: { node },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  };
  // Synchronous: the last line before a process ends is often the one that matters.
  return process.stderr.isTTY
    ? pino(options, { write: (json) => void process.stderr.write(readable(json)) })
    : pino(options, pino.destination({ fd: 2, sync: true }));
}

/** `12:34:56.789 warn n1 what happened field=value` */
export function readable(json: string): string {
  const record = JSON.parse(json) as Record<string, unknown>;
  const fields = Object.entries(record)
    .filter(([name]) => !shownElsewhere.has(name))
    .map(([name, value]) => `${name}=${shown(value)}`);
  const time = String(record['time']).slice(11, 23);
  const level = String(record['level']);
  const coloured = level === 'error' || level === 'warn';
  const shownLevel = coloured
    ? colour(process.stderr, level === 'error' ? 'red' : 'yellow', level)
    : level;
  const parts = [time, shownLevel, String(record['node']), String(record['msg']), ...fields];
  return `${parts.join(' ')}\n`;
}

/** Of an error its message; its stack is in the JSON. */
function shown(value: unknown): string {
  if (typeof value === 'string') return value;
  const isError = typeof value === 'object' && value !== null && 'message' in value;
  return isError ? String(value.message) : JSON.stringify(value);
}
