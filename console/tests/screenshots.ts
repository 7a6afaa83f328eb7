/** Screenshots of every screen for the documentation: light and dark, at a desk and on a phone. `npm run screenshots` */

import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync } from "node:fs";
import { connect } from "node:net";
import { resolve } from "node:path";
import { expect, inject, test } from "vitest";
import { Broker } from "./browser/support/broker";
import { type Console, DESKTOP, openConsole, PHONE } from "./browser/support/console";

const IMAGES = resolve(import.meta.dirname, "../../docs/images");
const FROM = Number(new URL(inject("url")).port);

type Shot = [name: string, hash: string, prepare?: (view: Console) => Promise<void>];

const openFourth = (view: Console) => view.rows("Messages").nth(3).click();

const SHOTS: Shot[] = [
  ["overview", "#/", (view) => view.page.waitForTimeout(Number(process.env["CHART_MS"] ?? 75_000))],
  ["topics", "#/topics"],
  ["messages", "#/topics/orders"],
  ["message", "#/topics/orders", openFourth],
  ["hex", "#/topics/sensor-readings", openFourth],
  [
    "search",
    "#/topics/orders?search=utrecht",
    (view) => view.page.getByText(/ found, /).waitFor(),
  ],
  ["live", "#/topics/page-views?from=live", (view) => view.page.waitForTimeout(5000)],
  ["partitions", "#/topics/page-views/partitions"],
  ["topic-settings", "#/topics/orders/settings"],
  [
    "produce",
    "#/topics/orders",
    async ({ page }) => {
      await page.getByRole("button", { name: "Produce" }).click();
      await page.getByRole("radio", { name: "JSON" }).check();
      await page.getByLabel("Value", { exact: true }).fill('{\n  "order": 50001,\n  "customer": "customer-1003",\n  "status": "placed"\n}');
      await page.getByLabel("Key").fill("customer-1003");
      await page.getByRole("button", { name: "Add header" }).click();
      await page.getByLabel("Name of header 1").fill("trace-id");
      await page.getByLabel("Value of header 1").fill("4bf92f3577b34da6");
      await page.keyboard.press("Control+Enter");
      await page.getByText(/^Stored at/).waitFor();
    },
  ],
  ["groups", "#/groups"],
  ["group", "#/groups/fulfilment"],
  [
    "reset",
    "#/groups/billing",
    async ({ page }) => {
      await page.getByRole("button", { name: "Reset offsets" }).click();
      await page.getByRole("radio", { name: "Latest" }).check();
      await page.getByRole("button", { name: "Preview" }).click();
      await page.getByRole("table").waitFor();
    },
  ],
  ["settings", "#/settings"],
];

async function read(count: number): Promise<void> {
  await (await fetch(`${inject("url")}/topics/orders/records?offset=-${count}&count=${count}`)).arrayBuffer();
}

/** The directory is one for tests; a reader should see one as it usually is. */
async function hideDirectory({ page }: Console): Promise<void> {
  await page.route("**/broker", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: { ...(await response.json()), data_dir: "/var/lib/logmq" } });
  });
}

/** Lines by the text protocol and reads by HTTP, so that there is something to draw. */
function traffic(): { stop: () => void } {
  const lines = (count: number) =>
    Array.from({ length: count }, (_, index) => `PRODUCE page-views/${index % 8} GET /products/${(index * 7) % 50} 200 ${(index * 13) % 400} ms\n`).join("");
  const socket = connect(FROM, "127.0.0.1").resume();
  const began = Date.now();
  const timer = setInterval(() => {
    const seconds = (Date.now() - began) / 1000;
    const count = Math.round(900 + 320 * Math.sin(seconds / 9) + 160 * Math.sin(seconds / 2.3) + 60 * Math.random());
    for (let from = 0; from < count; from += 150) socket.write(lines(Math.min(150, count - from)));
    if (Math.random() < 0.7) void read(Math.round(200 + 200 * Math.random()));
  }, 100);
  return { stop: () => (clearInterval(timer), socket.destroy()) };
}

/** Fewer colours, a third of the size: nobody sees the difference. */
function shrink(): void {
  const images = readdirSync(IMAGES).filter((name) => name.startsWith("console-")).map((name) => `${IMAGES}/${name}`);
  execFileSync("pngquant", ["--force", "--ext", ".png", "--strip", "--speed", "1", ...images]);
}

test("every screen", async () => {
  mkdirSync(IMAGES, { recursive: true });
  const { stop } = traffic();
  const only = process.env["ONLY"]?.split(",");
  await Promise.all(
    (["light", "dark"] as const).flatMap((scheme) =>
      ([["desktop", DESKTOP], ["phone", PHONE]] as const).map(async ([device, size]) => {
        const view = await openConsole({ scheme, size });
        await hideDirectory(view);
        await view.goto("#/");
        for (const [name, hash, prepare] of SHOTS) {
          if (only && !only.includes(name)) continue;
          await view.goto(hash);
          await view.page.waitForTimeout(500);
          await prepare?.(view);
          await view.page.mouse.move(0, 0);
          await view.page.waitForTimeout(300);
          await view.page.screenshot({ path: `${IMAGES}/console-${name}-${scheme}-${device}.png` });
          await view.page.keyboard.press("Escape");
        }
      }),
    ),
  );
  stop();
  shrink();
});

test("an empty broker", async () => {
  const broker = await Broker.start();
  for (const scheme of ["light", "dark"] as const) {
    const view = await openConsole({ scheme, url: broker.url });
    await view.goto("#/");
    await view.page.waitForTimeout(1500);
    await view.page.screenshot({ path: `${IMAGES}/console-first-${scheme}-desktop.png` });
  }
  await broker.remove();
  expect(true).toBe(true);
});
