// schoology.js 1.0.7: HMAC-SHA1, two-legged. It signs the members of a JSON body, and not its query where that is given apart.

module.exports = ({ load, key, secret, base }) => {
  const SchoologyClient = load("schoology.js");
  const client = new SchoologyClient(key, secret);
  client.baseURL = `${base}/v1/`;

  return {
    request: ({ verb, path, body = null, apart = {} }) =>
      client.makeRequest(path.slice(1), verb, body, apart).then(
        (content) => ({ status: null, content }),
        (error) => {
          if (!error.response) throw error;
          return { status: error.response.status, content: error.response.data };
        },
      ),
  };
};
