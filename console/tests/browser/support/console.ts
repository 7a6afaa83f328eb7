/** The console open in a browser, which writes down whatever goes wrong in it. */

import axe from "axe-core";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, inject } from "vitest";

export const DESKTOP = { width: 1280, height: 860 };
export const PHONE = { width: 360, height: 740 };

interface Look {
  size?: { width: number; height: number };
  scheme?: "light" | "dark";
  /** Another broker than the one with the data. */
  url?: string;
}

let browser: Browser;
let opened: Console[] = [];

beforeAll(async () => {
  browser = await chromium.connect(inject("browser"));
});

afterAll(() => browser.close());

afterEach(async () => {
  const problems = opened.flatMap((each) => each.problems);
  await Promise.all(opened.map((each) => each.page.context().close()));
  opened = [];
  expect(problems, "what the browser complained about").toEqual([]);
});

export class Console {
  readonly page: Page;
  readonly url: string;
  /** Errors of scripts, and whatever the content security policy forbade. */
  readonly problems: string[] = [];

  constructor(page: Page, url: string) {
    this.page = page;
    this.url = url;
    page.on("pageerror", (error) => this.problems.push(`error: ${error.stack}`));
    page.on("console", (message) => {
      // Chromium notes each refusal and each lost connection here; both are part of the tests.
      if (message.type() === "error" && !/Failed to load resource/.test(message.text())) this.problems.push(message.text());
    });
    page.on("request", (request) => {
      if (!request.url().startsWith(url)) this.problems.push(`asked another host: ${request.url()}`);
    });
  }

  async goto(hash: string): Promise<void> {
    await this.page.goto(`${this.url}/${hash}`);
    await this.page.locator("h1").waitFor();
  }

  /** The rows of a table that exist now. */
  rows(table: string) {
    return this.page.getByRole("grid", { name: table }).locator(".grid-body").getByRole("row");
  }

  /** What axe finds to be inaccessible, in words; all of it, or by some of its rules. */
  async complaints(...rules: string[]): Promise<string[]> {
    if (!(await this.page.evaluate(() => "axe" in globalThis))) await this.page.evaluate(axe.source);
    const options: axe.RunOptions = { resultTypes: ["violations"], ...(rules.length ? { runOnly: rules } : {}) };
    const { violations } = await this.page.evaluate(
      (options) => (globalThis as unknown as { axe: typeof axe }).axe.run(document, options),
      options,
    );
    return violations.map((each) => `${each.id}: ${each.help}\n${each.nodes.map((node) => `  ${node.html} ${node.failureSummary}`).join("\n")}`);
  }

  /** How far the page reaches beyond the window's width. */
  async overhang(): Promise<number> {
    return this.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  }
}

export async function openConsole({ size = DESKTOP, scheme = "light", url = inject("url") }: Look = {}): Promise<Console> {
  const context = await browser.newContext({ viewport: size, colorScheme: scheme, reducedMotion: "reduce" });
  context.setDefaultTimeout(20_000);
  const opening = new Console(await context.newPage(), url);
  opened.push(opening);
  return opening;
}
