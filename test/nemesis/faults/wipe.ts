/** A node's directory is gone; it is started as always. */
import { rm } from 'node:fs/promises';
import { onOneNode, whileDown } from './while-down.js';

export const wipe = onOneNode(async (context, id) => {
  const back = await whileDown(context, id, async (directory) => {
    await rm(directory, { recursive: true });
    context.injected(id);
    return 'changed';
  });
  if (back?.isAnother === false) {
    context.story.problem(`${id} was wiped, and goes on as the incarnation that it was`);
  }
});
