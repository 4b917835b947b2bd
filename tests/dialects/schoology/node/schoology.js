// schoology 0.1.5: PLAINTEXT, raw base64 nonces, an empty token where there is none; three-legged.

module.exports = ({ load, key, secret, base, token, tokenSecret }) => {
  const { default: SchoologyAPI } = load("schoology");
  const api = new SchoologyAPI(key, secret, base, base);
  if (token) api.setToken({ oauth_token: token, oauth_token_secret: tokenSecret });

  // It hands over what was answered, and throws the error of its HTTP client for everything else.
  const told = (calling) =>
    calling.then(
      (content) => ({ status: null, content }),
      (error) => {
        if (!error.response) throw error;
        return { status: error.response.status, content: error.response.data };
      },
    );

  return {
    request: ({ verb, path, body }) => told(api.makeRequest(verb, path, body)),
    who: () => told(api.getUserInfo()),
    ask: async ({ callback }) => {
      await api.getRequestToken();
      return { status: null, content: api.getConnectURL(callback) };
    },
    exchange: () => told(api.getAccessToken()),
  };
};
