/** A real broker as a process of its own, on a port that the system chose. */

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

export const REPOSITORY = resolve(import.meta.dirname, "../../../..");
export const PYTHON = process.env["LOGMQ_TEST_PYTHON"] ?? join(REPOSITORY, ".venv/bin/python");

export class Broker {
  readonly directory: string;
  port = 0;
  #process: ChildProcess | null = null;

  constructor() {
    this.directory = mkdtempSync(join(tmpdir(), "logmq-console-"));
  }

  /** On a directory of its own, and on this port if it matters. */
  static async start(port = 0): Promise<Broker> {
    const broker = new Broker();
    broker.port = port;
    await broker.start();
    return broker;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Start it, again on the port that it had before. */
  async start(): Promise<void> {
    const flags = ["--port", String(this.port)]; // the data lies in ./data
    const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("LOGMQ_")));
    const broker = (this.#process = spawn(PYTHON, ["-m", "logmq", "serve", ...flags], {
      cwd: this.directory,
      env: environment,
      stdio: ["ignore", "ignore", "pipe"],
    }));
    this.port = await readyPort(broker);
  }

  async stop(): Promise<void> {
    const broker = this.#process;
    this.#process = null;
    if (!broker || broker.exitCode !== null) return;
    broker.kill("SIGTERM");
    await once(broker, "exit");
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** A call of the HTTP API; the answer's JSON. */
  async call<T = unknown>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await fetch(this.url + path, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return (text ? JSON.parse(text) : null) as T;
  }

  /** Lines of the text protocol, as nc would send them. */
  async say(lines: string[]): Promise<void> {
    const socket = connect(this.port, "127.0.0.1");
    socket.resume();
    socket.end(`${lines.join("\n")}\nQUIT\n`);
    await once(socket, "close");
  }
}

/** Waits for the banner. Throws with what was printed instead. */
async function readyPort(broker: ChildProcess): Promise<number> {
  let printed = "";
  for await (const piece of broker.stderr!.iterator({ destroyOnReturn: false })) {
    printed += String(piece);
    const ready = /ready on \S+:(\d+)/.exec(printed);
    if (ready) {
      broker.stderr!.resume();
      return Number(ready[1]);
    }
  }
  throw new Error(`the broker did not start:\n${printed}`);
}
