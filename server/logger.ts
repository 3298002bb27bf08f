/** What a node says about itself. pino's loggers fit; `quiet` is for tests and embedded nodes. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {} };
