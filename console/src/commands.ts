/** Command lines for this very broker, by the address that the page came from. */

import type { Client } from "./ui/copy";

const host = location.hostname.replace(/^\[|\]$/g, "");
const port = location.port || (location.protocol === "https:" ? "443" : "80");

/** Words that a shell would take apart are quoted. */
function quoted(word: string): string {
  return /^[A-Za-z0-9._/:@%+=-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

export function produceCommands(topic: string): Record<Client, string> {
  return {
    nc: `printf 'PRODUCE ${topic} hello\\nQUIT\\n' | nc ${host} ${port}`,
    curl: `curl ${location.origin}/topics/${topic}/records -H 'Content-Type: text/plain' -d hello`,
    kcat: `echo hello | kcat -b ${address()} -P -t ${topic}`,
  };
}

export function consumeCommands(topic: string): Record<Client, string> {
  return {
    nc: `printf 'CONSUME ${topic} earliest 10\\nQUIT\\n' | nc ${host} ${port}`,
    curl: `curl '${location.origin}/topics/${topic}/records?offset=earliest&count=10'`,
    kcat: `kcat -b ${address()} -C -t ${topic} -o beginning`,
  };
}

export function groupCommands(topic: string, group: string): Partial<Record<Client, string>> {
  return {
    kcat: `kcat -b ${address()} -G ${group} ${topic}`,
    nc: `printf 'COMMIT ${group} ${topic} 0\\nQUIT\\n' | nc ${host} ${port}`,
  };
}

export function curlCommand(path: string): string {
  return `curl ${quoted(location.origin + path)}`;
}

/** `host:port` as bootstrap.servers wants it. */
export function address(): string {
  return `${location.hostname}:${port}`;
}
