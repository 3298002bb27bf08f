import { once } from 'node:events';
import { connect, type ClientHttp2Session, type Settings } from 'node:http2';
import t from 'tap';
import { windowBytes } from '../../server/rpc/flow-control.js';
import { streamsPerConnectionMax } from '../../server/rpc/grpc-server.js';
import { serve, until } from './grpc-fixture.js';

t.test('the server advertises wide windows for streams and connections', async (t) => {
  const { server } = await serve(t);
  const session: ClientHttp2Session = connect(`http://${server.address}`);
  t.teardown(() => session.destroy());
  const [settings] = (await once(session, 'remoteSettings')) as [Settings];
  t.equal(settings.initialWindowSize, windowBytes);
  t.equal(settings.maxConcurrentStreams, streamsPerConnectionMax);
  await until(() => session.state.remoteWindowSize === windowBytes);
});
