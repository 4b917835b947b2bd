// @superoffice/webapi, the client that SuperOffice publishes: whatever its e-mail agent offers, by password, ticket or nothing.

module.exports = ({ load, base, name, password, ticket, authorization, select }) => {
  const { WebApi, EMailAgent } = load("@superoffice/webapi");
  const client = new WebApi(base);
  if (password) client.authenticateWithPassword(name, password);
  if (ticket) client.authenticateWithTicket(ticket);
  const agent = authorization ? new EMailAgent(base, { headers: { authorization }, params: { $select: select } }) : client.getEMailAgent();
  let made = null; // the object that the last call returned, so that it goes back exactly as the client holds it

  const told = (promise) =>
    promise.then(
      (content) => {
        made = content;
        return { status: 200, content: content instanceof ArrayBuffer || Buffer.isBuffer(content) ? [...new Uint8Array(content)] : content };
      },
      (error) => {
        if (!error.response) throw error;
        return { status: error.response.status, content: error.response.data };
      },
    );

  return {
    call: ({ method, args = [], options }) => told(agent[`${method}Async`](...args, ...(options ? [options] : []))),
    send: ({ changes }) => told(agent.sendEMailsAsync(null, [Object.assign(made, changes)], null)),
  };
};
