/** What the server offers the rest of the package. */
export type { Logger } from './logger.js';
export { quiet } from './logger.js';
export { systemDisk } from './log/system-disk.js';
export type { VerifyReport } from './log/verify.js';
export { verifyDirectory } from './log/verify.js';
export { ServerNode } from './node.js';
export type { NodeOptions } from './options.js';
export { defaults } from './options.js';
