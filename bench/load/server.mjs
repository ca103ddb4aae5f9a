// Starts `ashlar serve` for a measurement, and stops it.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

// A port that nobody listens on now.
const freePort = () => new Promise((resolve) => {
  const probe = createServer().listen(0, "127.0.0.1", () => {
    const { port } = probe.address();
    probe.close(() => resolve(port));
  });
});

// { url, pid, stop }
export async function serve(ashlar, store, ...words) {
  const port = await freePort();
  const child = spawn(ashlar, ["serve", "--store", store, "--port", `${port}`, ...words],
                      { stdio: ["ignore", "ignore", "inherit"] });
  const gone = new Promise((resolve) => child.on("close", resolve));
  const url = `http://127.0.0.1:${port}`;
  for (let tries = 0; ; ++tries) {
    if (child.exitCode !== null) throw new Error(`ashlar serve ended with exit code ${child.exitCode}`);
    const ready = await fetch(`${url}/health`).then((r) => r.ok, () => false);
    if (ready) break;
    if (tries === 300) throw new Error("ashlar serve does not answer");
    await sleep(100);
  }
  return { url, pid: child.pid, stop: async () => { child.kill("SIGTERM"); await gone; } };
}

// Resident memory, of which shared pages count by how many processes share them: PSS, in bytes.
export const pss = (pid) =>
  1024 * Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))[1]);
