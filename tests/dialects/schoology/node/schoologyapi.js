// schoologyapi 4.0.4: HMAC-SHA1 for https://api.schoology.com, which it always calls; so what it calls is turned to the server here.

const SERVICE = "https://api.schoology.com";

module.exports = ({ load, key, secret, base, token, tokenSecret }) => {
  const last = {};
  const fetch = globalThis.fetch;
  globalThis.fetch = async (url, options) => {
    const response = await fetch(url.replace(SERVICE, base), options);
    const text = await response.clone().text();
    const isJson = text && response.headers.get("content-type")?.includes("application/json");
    Object.assign(last, { status: response.status, content: isJson ? JSON.parse(text) : text });
    return response;
  };
  const { default: SchoologyAPI } = load("schoologyapi");
  const api = new SchoologyAPI(key, secret);
  let pair = token && { key: token, secret: tokenSecret };

  // It throws the bare status of an error; what came with it was seen on the way. It parses whatever says that it is JSON, so it
  // stumbles over the nothing of a 204 that names the type, though all is done.
  const told = (calling) =>
    calling.then(
      (content) => ({ status: last.status, content }),
      (thrown) => {
        if (thrown instanceof SyntaxError && last.content === "") return { status: last.status, content: null };
        if (thrown !== last.status) throw thrown;
        return { status: thrown, content: last.content };
      },
    );

  return {
    request: ({ verb, path, body }) => told(api.request(verb, path, pair, body)),
    ask: async ({ callback }) => {
      pair = api.format(await api.request("GET", "/oauth/request_token"));
      return { status: null, content: `${base}/oauth/authorize?${new URLSearchParams({ oauth_token: pair.key, oauth_callback: callback })}` };
    },
    exchange: async () => {
      const answer = await told(api.request("GET", "/oauth/access_token", pair));
      if (answer.status === 200) pair = api.format(answer.content);
      return answer;
    },
  };
};
