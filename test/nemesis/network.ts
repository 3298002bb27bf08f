/** The links of a run: a proxy for every pair of a party that dials and a node that listens. */
import { assert } from '../../proto/errors.js';
import type { NodePlan } from '../../cli/processes.js';
import { parseHostPort } from '../../server/options.js';
import type { Passage } from './proxy.js';
import { open, Proxy } from './proxy.js';

/** A node's id or a client's name. */
export type Party = string;

export class Network {
  readonly clients: readonly Party[];
  readonly nodes: readonly Party[];
  readonly #proxies: ReadonlyMap<string, Proxy>;

  private constructor(
    clients: readonly Party[],
    nodes: readonly Party[],
    proxies: ReadonlyMap<string, Proxy>,
  ) {
    this.clients = clients;
    this.nodes = nodes;
    this.#proxies = proxies;
  }

  static async start(clients: readonly Party[], plans: readonly NodePlan[]): Promise<Network> {
    const nodes = plans.map(({ id }) => id);
    const proxies = new Map<string, Proxy>();
    for (const { id, address, peerAddress } of plans) {
      const dialled = (from: Party, target: string) =>
        Proxy.listen(parseHostPort('a target', target)).then((proxy) =>
          proxies.set(linkName(from, id), proxy),
        );
      await Promise.all([
        ...clients.map((client) => dialled(client, address)),
        ...nodes.filter((node) => node !== id).map((node) => dialled(node, peerAddress)),
      ]);
    }
    return new Network(clients, nodes, proxies);
  }

  /** Where `from` finds the node `to`. */
  address(from: Party, to: Party): string {
    const proxy = this.#proxies.get(linkName(from, to));
    assert(proxy !== undefined, `${from} dials ${to}`);
    return proxy.address;
  }

  /** What `from` sends to `to`, whoever of the two has dialled. */
  setDirection(from: Party, to: Party, passage: Passage): void {
    this.#proxies.get(linkName(from, to))?.set('forward', passage);
    this.#proxies.get(linkName(to, from))?.set('backward', passage);
  }

  setBoth(a: Party, b: Party, passage: Passage): void {
    this.setDirection(a, b, passage);
    this.setDirection(b, a, passage);
  }

  heal(): void {
    for (const proxy of this.#proxies.values()) {
      proxy.set('forward', open);
      proxy.set('backward', open);
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#proxies.values()].map((proxy) => proxy.close()));
  }
}

function linkName(from: Party, to: Party): string {
  return `${from} to ${to}`;
}
