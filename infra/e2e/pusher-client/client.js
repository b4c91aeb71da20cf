// Pusher's own client for a test in another language. The first line of the input says how to
// connect, each further one is a command; each line of the output is something that happened.
//
//   {"key", "host", "port", "token", "user_auth": URL or "", "channel_auth": URL,
//    "eager": ask for channels before the user is known}
//   {"do": "subscribe", "channel"}   {"do": "unsubscribe", "channel"}
//   {"do": "trigger", "channel", "event", "data"}
//   {"do": "disconnect"}   {"do": "connect"}
//
//   {"type": "connected", "socket_id"}   {"type": "disconnected"}   {"type": "signed_in", "user"}
//   {"type": "subscribed", "channel", "members"}   {"type": "refused", "channel", "status", "data"}
//   {"type": "event", "channel", "event", "data"}   {"type": "error", "data"}
const Pusher = require('pusher-js');

const say = (line) => process.stdout.write(JSON.stringify(line) + '\n');
const lines = require('readline').createInterface({ input: process.stdin });
lines.once('line', (line) => {
  const commands = connect(JSON.parse(line));
  lines.on('line', (next) => {
    const command = JSON.parse(next);
    commands[command.do](command);
  });
});
lines.on('close', () => process.exit());

function connect(options) {
  const headers = options.token ? { Authorization: 'Bearer ' + options.token } : {};
  const pusher = new Pusher(options.key, {
    cluster: 'local', wsHost: options.host, wsPort: options.port,
    forceTLS: false, enabledTransports: ['ws'],
    userAuthentication: { endpoint: options.user_auth, transport: 'ajax', headers },
    channelAuthorization: { endpoint: options.channel_auth, transport: 'ajax', headers },
  });
  if (options.user_auth && !options.eager) {
    askOnceSignedIn(pusher);
  }

  let established = false;
  pusher.connection.bind('state_change', ({ current }) => {
    if (current === 'connected') {
      established = true;
      say({ type: 'connected', socket_id: pusher.connection.socket_id });
    } else if (established) {
      established = false;
      say({ type: 'disconnected' });
    }
  });
  pusher.connection.bind('error', (error) => {
    say({ type: 'error', data: error.data || error.error || String(error) });
  });
  pusher.connection.bind('message', (message) => {
    if (message.event === 'pusher:signin_success') {
      say({ type: 'signed_in', user: JSON.parse(message.data.user_data).id });
    }
  });
  pusher.user.bind('pusher:signin_error', ({ status, error }) => {
    say({ type: 'refused', status, data: error });
  });
  pusher.user.bind_global((event, data) => {
    if (!event.startsWith('pusher:')) {
      say({ type: 'event', channel: 'user', event, data });
    }
  });
  if (options.user_auth) {
    pusher.signin();
  }
  return {
    subscribe: ({ channel }) => listen(pusher.subscribe(channel)),
    unsubscribe: ({ channel }) => pusher.unsubscribe(channel),
    trigger: ({ channel, event, data }) => pusher.channel(channel).trigger(event, data),
    disconnect: () => pusher.disconnect(),
    connect: () => pusher.connect(),
  };
}

// askOnceSignedIn: after a reconnect pusher-js asks for its channels and for its user at once, but
// a channel is authorized only for a connection that has a user.
function askOnceSignedIn(pusher) {
  const ask = pusher.config.channelAuthorizer;
  pusher.config.channelAuthorizer = (params, callback) => {
    pusher.user.signinDonePromise.then(() => ask(params, callback));
  };
}

function listen(channel) {
  channel.bind_global((event, data) => {
    if (event === 'pusher:subscription_succeeded') {
      const members = channel.members && Object.keys(channel.members.members);
      say({ type: 'subscribed', channel: channel.name, members });
    } else if (event === 'pusher:subscription_error') {
      say({ type: 'refused', channel: channel.name, status: data.status, data: data.error });
    } else {
      say({ type: 'event', channel: channel.name, event, data });
    }
  });
}
