/**
 * A mount namespace, in which this process may mount file systems that nobody else sees and that
 * are gone with the last process in it. Linux lets every user have one, unless an administrator
 * has said otherwise.
 */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';

const unshare = ['unshare', '--user', '--map-root-user', '--mount'] as const;

export async function canMount(): Promise<boolean> {
  const [command, ...flags] = unshare;
  const script = 'mount -t tmpfs nemesis /mnt';
  const probe = spawn(command, [...flags, 'sh', '-c', script], { stdio: 'ignore' });
  return (await endOf(probe)) === 0;
}

/**
 * Runs this program again with other arguments, in a namespace; resolves with its exit status.
 * Signals are passed on; the IPC channel between the two tells the other one when this one dies.
 */
export async function runInNamespace(args: readonly string[]): Promise<number> {
  const [command, ...flags] = unshare;
  const again = [process.execPath, ...process.execArgv, process.argv[1] ?? '', ...args];
  const child = spawn(command, [...flags, ...again], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const pass = (signal: NodeJS.Signals) => void child.kill(signal);
  process.on('SIGINT', pass);
  process.on('SIGTERM', pass);
  try {
    return (await endOf(child)) ?? 1;
  } finally {
    process.off('SIGINT', pass);
    process.off('SIGTERM', pass);
  }
}

/** The exit status; null if there was none. */
async function endOf(child: ChildProcess): Promise<number | null> {
  try {
    const [status] = (await once(child, 'exit')) as [number | null];
    return status;
  } catch {
    return null; // there is no such program here
  }
}
