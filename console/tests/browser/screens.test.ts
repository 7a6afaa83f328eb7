import { expect, inject, test } from "vitest";
import { Broker } from "./support/broker";
import { DESKTOP, openConsole, PHONE } from "./support/console";

const SCREENS: [string, string, RegExp][] = [
  ["overview", "#/", /Appended.*fdatasync.*Connections.*Disk/s],
  ["topics", "#/topics", /orders.*payments/s],
  ["messages", "#/topics/orders", /customer-10/],
  ["message of a plain topic", "#/topics/greetings", /hello number 799/],
  ["partitions", "#/topics/orders/partitions", /First offset.*Segments/s],
  ["settings of a topic", "#/topics/orders/settings", /retention\.ms.*30d.*set for this topic/s],
  ["groups", "#/groups", /billing.*Empty/s],
  ["group", "#/groups/billing", /payments.*nobody/s],
  ["settings", "#/settings", /fdatasync|segment_size_bytes.*1GiB/s],
  ["topic that is not there", "#/topics/nothing", /There is no such topic/],
  ["group that is not there", "#/groups/nothing", /There is no such group/],
  ["place that is not there", "#/nowhere", /There is no such screen/],
];

test("each screen shows what the broker has, and everyone can use it, in light and in dark", async () => {
  const view = await openConsole();
  for (const [name, hash, words] of SCREENS) {
    await view.goto(hash);
    await expect.poll(() => view.page.locator("main").innerText(), { message: name }).toMatch(words);
    expect(await view.complaints(), name).toEqual([]);
    await view.page.emulateMedia({ colorScheme: "dark" });
    expect(await view.complaints("color-contrast"), `${name} in dark`).toEqual([]);
    await view.page.emulateMedia({ colorScheme: "light" });
  }
});

test("no screen is wider than a phone, and all of it can be used there", async () => {
  const view = await openConsole({ size: PHONE });
  for (const [name, hash] of SCREENS) {
    await view.goto(hash);
    await view.page.locator(".grid-row, .setting, .panel, .empty").nth(1).or(view.page.locator(".empty")).waitFor({ state: "attached" });
    expect(await view.overhang(), name).toBe(0);
  }
  await view.goto("#/topics/orders");
  await view.rows("Messages").nth(2).click();
  const sheet = view.page.getByRole("dialog");
  await sheet.getByText('"order"').waitFor();
  expect(await view.overhang()).toBe(0);
  expect(await view.complaints()).toEqual([]);
});

test("the first paint comes within a second, and the assets are small", async () => {
  const view = await openConsole();
  const client = await view.page.context().newCDPSession(view.page);
  await client.send("Network.enable");
  let transferred = 0;
  client.on("Network.loadingFinished", (event) => (transferred += event.encodedDataLength));
  await view.goto("#/settings");
  await view.page.getByText("segment_size_bytes").first().waitFor();
  const paint = await view.page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]!.startTime);
  expect(paint).toBeLessThan(1000);
  expect(transferred).toBeLessThan(100_000);
});

test("the overview counts what is appended, and says how long syncs take", async () => {
  const view = await openConsole();
  await view.goto("#/");
  const produce = setInterval(() => {
    void fetch(`${inject("url")}/topics/emails.outgoing/records`, { method: "POST", headers: { "Content-Type": "text/plain" }, body: "mail" });
  }, 20);
  const figure = (panel: string) => view.page.locator("section.panel", { hasText: panel }).locator(".figure");
  await expect.poll(async () => Number.parseFloat(await figure("Appended").innerText()), { timeout: 8000 }).toBeGreaterThan(10);
  await expect.poll(() => figure("fdatasync").innerText()).toMatch(/^[\d.]+ (µs|ms) p99/);
  clearInterval(produce);
  const chart = view.page.getByRole("img", { name: /^messages\/s: / });
  await chart.focus();
  await view.page.keyboard.press("ArrowLeft");
  await view.page.getByRole("figure", { name: "Messages appended a second" }).locator("figcaption b").waitFor();
});

test("colours follow the system until somebody chooses, and the choice lasts", async () => {
  const view = await openConsole({ scheme: "dark" });
  const ground = () => view.page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  await view.goto("#/");
  const dark = await ground();
  await view.page.getByRole("radio", { name: "Light" }).check();
  expect(await ground()).not.toBe(dark);
  await view.page.reload();
  await view.page.locator("h1").waitFor();
  expect(await ground()).not.toBe(dark);
  await view.page.getByRole("radio", { name: "As the system" }).check();
  expect(await ground()).toBe(dark);
});

test("an empty broker says what to do next, with commands for its own address", async () => {
  const broker = await Broker.start();
  try {
    const view = await openConsole({ url: broker.url });
    for (const size of [DESKTOP, PHONE]) {
      await view.page.setViewportSize(size);
      await view.goto("#/");
      await view.page.getByText("Send the first message").waitFor();
      await view.page.getByText(`printf 'PRODUCE hello hello\\nQUIT\\n' | nc 127.0.0.1 ${broker.port}`).waitFor();
      expect([await view.overhang(), await view.complaints()]).toEqual([0, []]);
      await view.goto("#/topics");
      await view.page.getByRole("radio", { name: "curl" }).check();
      await view.page.getByText(`curl ${broker.url}/topics/hello/records`).waitFor();
      expect([await view.overhang(), await view.complaints()]).toEqual([0, []]);
      await view.goto("#/groups");
      await view.page.getByText("No consumer groups yet").waitFor();
      expect([await view.overhang(), await view.complaints()]).toEqual([0, []]);
    }
  } finally {
    await broker.remove();
  }
});

test("settings are found by any of their words", async () => {
  const view = await openConsole();
  await view.goto("#/settings");
  await view.page.getByRole("searchbox").fill("power");
  await view.page.getByText("No setting matches.").waitFor();
  await view.page.getByRole("searchbox").fill("LOGMQ_SYNC");
  await expect.poll(() => view.page.locator(".setting").count()).toBe(1);
  await view.page.getByRole("searchbox").fill("");
  await view.page.getByRole("radio", { name: "Changed" }).check();
  await view.page.getByRole("heading", { name: "port", exact: true }).waitFor();
});
