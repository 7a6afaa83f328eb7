import { text } from "node:stream/consumers";
import type { Page } from "playwright-core";
import { expect, inject, test } from "vitest";
import { openConsole } from "./support/console";
import { ORDER_COUNT } from "./support/seed";

const url = inject("url");

const toTheEnd = (page: Page) => page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));

async function makeTopic(name: string, partitions = 1): Promise<void> {
  await post("/topics", { name, partitions });
}

async function post(path: string, body: unknown): Promise<void> {
  const response = await fetch(url + path, { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });
  if (!response.ok) throw new Error(await response.text());
}

test("scrolling reads all messages, newest first across partitions, and few rows exist at a time", async () => {
  const view = await openConsole();
  const { page } = view;
  await view.goto("#/topics/orders");
  await expect.poll(() => view.rows("Messages").first().innerText()).toContain('"order":49499');
  const end = page.getByText(`${ORDER_COUNT.toLocaleString("en-US")} messages, newest first`);
  await expect.poll(() => toTheEnd(page).then(() => end.isVisible())).toBe(true);
  await toTheEnd(page);
  await expect.poll(() => view.rows("Messages").last().innerText()).toContain('"order":48000');
  expect(await view.rows("Messages").count()).toBeLessThan(60);
});

test("messages are read from the oldest, an offset, or a time", async () => {
  const view = await openConsole();
  const { page } = view;
  await view.goto("#/topics/orders");
  const first = () => view.rows("Messages").first().innerText();
  await page.getByRole("radio", { name: "Oldest" }).check();
  await expect.poll(first).toContain('"order":48000');
  await page.getByRole("combobox", { name: "Partition" }).selectOption("1");
  await page.getByRole("radio", { name: "From…" }).check();
  await page.getByRole("textbox", { name: "Offset or time" }).fill("200");
  await page.keyboard.press("Enter");
  await expect.poll(first).toMatch(/^1\s+200\b/);
  await page.getByRole("textbox", { name: "Offset or time" }).fill("10m ago");
  await page.keyboard.press("Enter");
  await expect.poll(async () => Number(/"order":(\d+)/.exec(await first())?.[1])).toBeGreaterThan(49_100);
  expect(page.url()).toContain("from=10m+ago");
  await page.reload();
  await expect.poll(async () => Number(/"order":(\d+)/.exec(await first())?.[1])).toBeGreaterThan(49_100);
  await page.getByRole("textbox", { name: "Offset or time" }).fill("yesteryear");
  await page.getByText("an offset, or a time such as").waitFor();
});

test("a plain topic is read backward, too, though its offsets are bytes", async () => {
  const view = await openConsole();
  await view.goto("#/topics/greetings");
  await expect.poll(() => view.rows("Messages").first().innerText()).toContain("hello number 799");
  const end = view.page.getByText("800 messages, newest first");
  await expect.poll(() => toTheEnd(view.page).then(() => end.isVisible())).toBe(true);
  await toTheEnd(view.page);
  await expect.poll(() => view.rows("Messages").last().innerText()).toContain("hello number 0,");
});

test("a message shows JSON as it was written, its bytes, its headers, and can be downloaded", async () => {
  const view = await openConsole();
  const { page } = view;
  await view.goto("#/topics/users.changelog?from=earliest");
  await view.rows("Messages").first().click();
  const message = page.getByRole("region", { name: "Offset 0" });
  await expect.poll(() => message.locator(".payload").last().innerText()).toBe(
    '{\n  "id": 12345678901234567000,\n  "name": "User 0"\n}',
  );
  await message.getByRole("radio", { name: "Hex" }).check();
  await message.getByText("00000000").waitFor();
  const [download] = await Promise.all([page.waitForEvent("download"), message.getByRole("link", { name: "Download value" }).click()]);
  expect(download.suggestedFilename()).toMatch(/^users\.changelog-0-0/);
  expect(await text(await download.createReadStream())).toBe('{"id":12345678901234567000,"name":"User 0"}');
  await view.rows("Messages").nth(6).click();
  await page.getByRole("region", { name: "Offset 6" }).getByText("null: there is no value").waitFor();
  expect(await view.complaints()).toEqual([]);
  await page.keyboard.press("Escape");
  await expect.poll(() => page.locator(".beside").count()).toBe(0);
  await view.goto("#/topics/orders");
  await view.rows("Messages").first().click();
  await page.locator(".headers").getByText("checkout").waitFor();
});

test("a search marks what it found, says how far it looked, and ends", async () => {
  const view = await openConsole();
  const { page } = view;
  await view.goto("#/topics/orders");
  await page.getByRole("searchbox").fill("utrecht");
  await page.keyboard.press("Enter");
  await page.getByText(/^\d+ found, 1,500 messages searched$/).waitFor();
  const found = Number.parseInt(await page.locator(".feed-words").innerText(), 10);
  expect(found).toBeGreaterThan(100);
  expect(await page.locator(".grid-messages mark").first().innerText()).toBe("Utrecht");
  await page.getByRole("checkbox", { name: "value" }).uncheck();
  await page.getByText("No message holds this text.").waitFor();
  await page.getByRole("searchbox").fill("checkout");
  await page.keyboard.press("Enter");
  await page.getByText(/^The first 1,000 that match/).waitFor();
  expect(await view.complaints()).toEqual([]);
});

test("a message is produced with key, headers and JSON, repeated, and sent again", async () => {
  await makeTopic("produced", 2);
  const view = await openConsole();
  const { page } = view;
  await view.goto("#/topics/produced");
  await page.getByRole("button", { name: "Produce" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("radio", { name: "JSON" }).check();
  await dialog.getByLabel("Value", { exact: true }).fill('{"id": 1,}');
  await dialog.getByText("This is no JSON").waitFor();
  expect(await dialog.getByRole("button", { name: "Send" }).isDisabled()).toBe(true);
  await dialog.getByLabel("Value", { exact: true }).fill('{"id": 98765432109876543210}');
  await dialog.getByLabel("Key").fill("customer-1");
  await dialog.getByLabel("Partition").selectOption("1");
  await dialog.getByRole("button", { name: "Add header" }).click();
  await dialog.getByLabel("Name of header 1").fill("source");
  await dialog.getByLabel("Value of header 1").fill("console");
  expect(await view.complaints()).toEqual([]);
  await page.keyboard.press("Control+Enter");
  await dialog.getByText("Stored at partition 1, offset 0").waitFor();
  await dialog.getByLabel("Repeat").fill("2500");
  await dialog.getByRole("button", { name: "Send 2,500 times" }).click();
  await dialog.getByText("2,500 messages stored").waitFor();
  await page.keyboard.press("Escape");

  await page.getByRole("button", { name: "Refresh" }).click();
  await view.rows("Messages").first().click();
  const message = page.getByRole("region", { name: "Partition 1, offset 2,500" });
  await message.getByText("98765432109876543210").waitFor();
  await message.getByRole("button", { name: "Produce again" }).click();
  expect(await dialog.getByLabel("Key").inputValue()).toBe("customer-1");
  expect(await dialog.getByLabel("Value of header 1").inputValue()).toBe("console");
  await dialog.getByRole("radio", { name: "Base64" }).check();
  await dialog.getByLabel("Value", { exact: true }).fill("AP8=");
  await page.keyboard.press("Control+Enter");
  await dialog.getByText(/^Stored at partition/).waitFor();
  const { records } = (await (await fetch(`${url}/topics/produced/records?offset=-1&partition=${/partition (\d)/.exec(await dialog.innerText())![1]}`)).json()) as { records: { value: unknown }[] };
  expect(records[0]!.value).toEqual({ base64: "AP8=" });
});

test("the live tail shows what comes, pauses, and goes on where it stopped", async () => {
  await makeTopic("tailed");
  const view = await openConsole();
  const { page } = view;
  await view.goto("#/topics/tailed?from=live");
  await page.getByText("Messages appear here as they come").waitFor();
  await page.getByText("waiting for messages").waitFor();
  await page.waitForTimeout(200);
  await post("/topics/tailed/records", { value: "first" });
  await view.rows("Messages").getByText("first").waitFor();
  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByText("Paused, 1 message").waitFor();
  await post("/topics/tailed/records", { value: "second" });
  await page.waitForTimeout(300);
  expect(await view.rows("Messages").count()).toBe(1);
  await page.getByRole("button", { name: "Go on" }).click();
  await view.rows("Messages").getByText("second").waitFor();
  expect(await view.rows("Messages").first().innerText()).toContain("second");
});
