import { execFileSync } from "node:child_process";
import { connect } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Broker, PYTHON } from "./support/broker";
import { openConsole } from "./support/console";

const TOPICS = `
import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
names = [(f"team-{number % 40:02}.events.{number:05}",) for number in range(10_000)]
database.executemany("INSERT INTO topics (name, format, overrides, created_ms) VALUES (?, 'batch', '{}', 0)", names)
database.executemany("INSERT INTO logs (topic, partition) VALUES (?, 0)", names)
database.commit()
`;

let broker: Broker;

beforeAll(async () => {
  broker = await Broker.start();
  await broker.stop();
  // Straight into the database: ten thousand creations would each wait for the disk.
  execFileSync(PYTHON, ["-c", TOPICS, join(broker.directory, "data/meta.sqlite")]);
  await broker.start();
});

afterAll(() => broker.remove());

test("ten thousand topics are a list that scrolls, and are found by typing", async () => {
  const view = await openConsole({ url: broker.url });
  const { page } = view;
  const before = Date.now();
  await view.goto("#/topics");
  await page.getByText("10,000 topics").waitFor();
  await view.rows("Topics").first().waitFor();
  expect(Date.now() - before).toBeLessThan(4000);
  expect(await view.rows("Topics").count()).toBeLessThan(60);
  await page.getByRole("grid").focus();
  await page.keyboard.press("End");
  await view.rows("Topics").getByText("team-39.events.09999").waitFor();
  expect(await view.rows("Topics").count()).toBeLessThan(60);
  expect(await page.getByRole("grid").getAttribute("aria-rowcount")).toBe("10001");
  await page.getByRole("button", { name: "Name" }).click();
  await page.keyboard.press("/");
  await page.keyboard.type("events.00777");
  await expect.poll(() => view.rows("Topics").count()).toBe(1);
  await view.rows("Topics").first().click();
  await page.getByRole("heading", { name: "team-17.events.00777" }).waitFor();
});

test("a tail of ten thousand messages a second is sampled, says so, and stays small", async () => {
  const view = await openConsole({ url: broker.url });
  const { page } = view;
  await view.goto("#/topics/team-00.events.00000?from=live");
  await page.getByText("waiting for messages").waitFor();
  const lines = Array.from({ length: 1000 }, (_, index) => `PRODUCE team-00.events.00000 {"index":${index},"filler":"${"x".repeat(60)}"}\n`).join("");
  const socket = connect(broker.port, "127.0.0.1").resume();
  const sending = setInterval(() => socket.write(lines), 100);
  try {
    await page.getByText(/showing [\d.,k]+ of [\d.,]+k? messages a second/).waitFor();
    await expect.poll(() => page.locator(".feed-words").innerText(), { timeout: 8000 }).toMatch(/of ([89],\d|1\d(\.\d)?k)/);
    const shown = Number(/showing (\d+) of/.exec(await page.locator(".feed-words").innerText())![1]);
    expect(shown).toBeLessThanOrEqual(220);
    expect(await view.rows("Messages").count()).toBeLessThan(60);
    // The page still answers at once.
    const before = Date.now();
    await page.getByRole("button", { name: "Pause" }).click();
    await page.getByText(/^Paused/).waitFor();
    expect(Date.now() - before).toBeLessThan(1500);
  } finally {
    clearInterval(sending);
    socket.destroy();
  }
});

test("when the broker goes away the console says so, keeps what it shows, and comes back by itself", async () => {
  const view = await openConsole({ url: broker.url });
  const { page } = view;
  const topic = "team-01.events.00001";
  await broker.call("POST", `/topics/${topic}/records`, { value: "before" });
  await view.goto(`#/topics/${topic}?from=live`);
  await page.getByText("waiting for messages").waitFor();
  await page.waitForTimeout(200);
  await broker.call("POST", `/topics/${topic}/records`, { value: "seen" });
  await view.rows("Messages").getByText("seen").waitFor();

  await broker.stop();
  await page.getByText(/The broker does not answer since \d\d:\d\d:\d\d/).waitFor();
  await page.getByText("No answer").waitFor();
  await view.rows("Messages").getByText("seen").waitFor();
  expect(await view.complaints()).toEqual([]);
  await page.getByRole("button", { name: "Produce" }).click();
  await page.getByLabel("Value", { exact: true }).fill("lost");
  await page.keyboard.press("Control+Enter");
  await page.getByRole("dialog").getByText("The broker does not answer.").waitFor();
  await page.keyboard.press("Escape");

  await broker.start();
  await expect.poll(() => page.getByText(/does not answer since/).count(), { timeout: 10_000 }).toBe(0);
  await page.locator(".live").waitFor();
  await expect
    .poll(
      async () => {
        await broker.call("POST", `/topics/${topic}/records`, { value: "after" });
        return view.rows("Messages").getByText("after").count();
      },
      { timeout: 10_000 },
    )
    .toBeGreaterThan(0);
});
