// A client of ashlar's server that notes when things happen. Times are in milliseconds of
// performance.now().
import http from "node:http";
import net from "node:net";

const agent = new http.Agent({ keepAlive: true, maxSockets: Infinity });

// Sends `body` to a completions endpoint as a stream, and gives what came:
//   { sent, first, tokens: [when each piece of text came], ended, text, usage, finish, error }
// `first` is null when no text came, `error` null when all went well: the answer has a reason to
// end, and its usage. Never throws.
export function complete(url, body, { key } = {}) {
  return new Promise((resolve) => {
    const got = { sent: performance.now(), first: null, tokens: [], text: "", usage: null,
                  finish: null, error: null };
    const end = (error = null) => {
      got.error ??= error;
      got.ended ??= performance.now();
      resolve(got);
    };
    const payload = JSON.stringify({
      ...body, stream: true, stream_options: { include_usage: true } });
    const headers = { "content-type": "application/json",
                      "content-length": Buffer.byteLength(payload) };
    if (key) headers.authorization = `Bearer ${key}`;
    const request = http.request(`${url}/v1/completions`, { method: "POST", headers, agent });
    request.on("error", (error) => end(error.message));
    request.on("response", (response) => {
      let buffered = "";
      response.setEncoding("utf8");
      response.on("error", (error) => end(error.message));
      response.on("data", (data) => {
        buffered += data;
        if (response.statusCode !== 200) return;
        const now = performance.now();
        const lines = buffered.split("\n");
        buffered = lines.pop();
        for (const line of lines) {
          if (!line.startsWith("data: ") || line === "data: [DONE]") continue;
          let chunk = {};
          try {
            chunk = JSON.parse(line.slice(6));
          } catch (error) {
            got.error ??= error.message;
          }
          got.error ??= chunk.error?.message ?? null;
          got.usage = chunk.usage ?? got.usage;
          got.finish = chunk.choices?.[0]?.finish_reason ?? got.finish;
          const text = chunk.choices?.[0]?.text ?? "";
          if (text === "") continue;
          got.first ??= now;
          got.tokens.push(now);
          got.text += text;
        }
      });
      response.on("end", () =>
        end(response.statusCode !== 200 ? `status ${response.statusCode}: ${buffered}`
          : got.finish === null || got.usage === null ? "the stream was cut" : null));
    });
    request.end(payload);
  });
}

// Opens so many connections, each of which has asked something and waits. Gives what closes them.
export async function idleConnections(url, count) {
  const { hostname, port } = new URL(url);
  const sockets = [];
  const open = () => new Promise((resolve, reject) => {
    const socket = net.connect(Number(port), hostname, () =>
      socket.write(`GET /health HTTP/1.1\r\nHost: ${hostname}:${port}\r\n\r\n`));
    sockets.push(socket);
    socket.on("error", reject);
    socket.once("data", (data) => (`${data}`.startsWith("HTTP/1.1 200") ? resolve()
      : reject(new Error(`${data}`))));
  });
  while (sockets.length < count) {
    await Promise.all(Array.from({ length: Math.min(250, count - sockets.length) }, open));
  }
  return () => sockets.forEach((socket) => socket.destroy());
}
