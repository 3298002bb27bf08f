/** What a server has sent and nobody has taken yet, however it was cut on its way. */
export class Incoming {
  bytes: Buffer = Buffer.alloc(0);
  /** Everything before it has been taken. */
  at = 0;

  /** Adds what has come and calls `take` as long as that takes something: it moves `at`. */
  push(chunk: Buffer, take: () => boolean): void {
    const rest = this.bytes.subarray(this.at);
    this.bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    this.at = 0;
    while (take()) {
      // Until what is left is incomplete.
    }
  }
}
