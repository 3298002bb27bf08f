/** What a measurement depends on besides the programs: the machine, in words. */
import { readFile, statfs } from 'node:fs/promises';
import { cpus, release, totalmem } from 'node:os';

const fileSystems = new Map([
  [0xef53, 'ext4'],
  [0x58465342, 'XFS'],
  [0x9123683e, 'Btrfs'],
  [0x794c7630, 'overlayfs'],
  [0x2fc12fc1, 'ZFS'],
  [0x01021994, 'tmpfs'],
]);

/** Throws where a sync costs nothing. */
export async function checkDisk(directory: string): Promise<void> {
  if ((await fileSystemOf(directory)) === 'tmpfs') {
    throw new Error(`${directory} lies in memory: choose one on a disk with --directory`);
  }
}

export async function describeMachine(directory: string): Promise<string> {
  const cores = cpus();
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB of memory`;
  const load = (await readFile('/proc/loadavg', 'utf8')).split(' ', 3).join(' ');
  return [
    `${cores.length} cores (${cores[0]?.model ?? 'unknown'})`,
    memory,
    `Linux ${release()}`,
    `data on ${await fileSystemOf(directory)}`,
    `Node.js ${process.versions.node}`,
    `load averages at the start ${load}`,
  ].join(', ');
}

async function fileSystemOf(directory: string): Promise<string> {
  const { type } = await statfs(directory);
  return fileSystems.get(type) ?? `a file system of type 0x${type.toString(16)}`;
}
