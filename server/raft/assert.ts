/** A failure of our own reasoning, or a driver that breaks the contract of types.ts. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}
