/**
 * What a `serve` process and the process that started it have between them: an IPC channel. The
 * kernel closes it when the parent ends, however it ends, and the node stops.
 */
export type SupervisorMessage = {
  readonly type: 'serving';
  /** Where the node serves clients. */
  readonly address: string;
};

export function isSupervised(): boolean {
  return process.connected;
}

/** Of no effect in a process that nobody supervises. */
export function tellSupervisor(message: SupervisorMessage): void {
  process.send?.(message);
}
