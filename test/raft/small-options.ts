/** Of the cores in these tests: so little that few ticks, batches and messages reach it. */
export const smallOptions = {
  electionTicks: 10,
  heartbeatTicks: 2,
  messageBytesMax: 100,
  inflightMessagesMax: 8,
  inflightBytesMax: 400,
  recentMarksMax: 16,
};
