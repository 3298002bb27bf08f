/** Notices a connection whose other side is gone without a word. */
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import type { Clock } from '../../proto/clock.js';

const pingIntervalMs = 500;
/** Intervals without a single byte after which a connection is given up: two seconds. */
const silentIntervalsMax = 4;

/**
 * Pings the other side, which does the same, and terminates the connection when nothing comes.
 * Bytes are counted rather than messages, as a large one may take long; and intervals rather than
 * time, as time passes for a process that is stopped while what it was sent waits to be read.
 */
export function watchLiveness(websocket: WebSocket, socket: Socket, clock: Clock): void {
  let bytesRead = socket.bytesRead;
  let silentIntervals = 0;
  const check = () => {
    silentIntervals = socket.bytesRead === bytesRead ? silentIntervals + 1 : 0;
    bytesRead = socket.bytesRead;
    if (silentIntervals === silentIntervalsMax) {
      websocket.terminate();
      return;
    }
    websocket.ping();
    timer = clock.after(pingIntervalMs, check);
  };
  let timer = clock.after(pingIntervalMs, check);
  websocket.once('close', () => timer.cancel());
}
