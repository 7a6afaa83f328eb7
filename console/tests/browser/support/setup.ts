/** One broker with data and one browser for all test files. */

import { existsSync } from "node:fs";
import { chromium } from "playwright-core";
import type { TestProject } from "vitest/node";
import { Broker } from "./broker";
import { members, seed } from "./seed";

declare module "vitest" {
  export interface ProvidedContext {
    url: string;
    browser: string;
    hasMembers: boolean;
  }
}

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

export default async function setup(project: TestProject) {
  const executablePath = process.env["CHROMIUM"] ?? PLACES.find((place) => existsSync(place));
  if (!executablePath) throw new Error(`No Chromium at ${PLACES.join(", ")}: install one, or name it in CHROMIUM.`);
  const [browser, broker] = await Promise.all([
    // Chromium's own sandbox does not work for root, who runs the tests in containers.
    chromium.launchServer({ executablePath, args: process.getuid?.() === 0 ? ["--no-sandbox"] : [] }),
    Broker.start(Number(process.env["BROKER_PORT"] ?? 0)),
  ]);
  await seed(broker);
  const readers = await members(broker, "fulfilment", "orders", 2);
  project.provide("url", broker.url);
  project.provide("browser", browser.wsEndpoint());
  project.provide("hasMembers", readers !== null);
  return async () => {
    readers?.stop();
    await browser.close();
    await broker.remove();
  };
}
