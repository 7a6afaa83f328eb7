import { expect, test } from "vitest";
import { openConsole } from "./support/console";

test("everything is reached without a mouse", async () => {
  const view = await openConsole();
  const { page } = view;
  const focused = () => page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent);
  await view.goto("#/topics");
  await view.rows("Topics").first().waitFor();

  await page.keyboard.press("Tab");
  expect(await focused()).toBe("Skip to the content");
  expect(await page.getByText("Skip to the content").boundingBox()).toMatchObject({ y: 8 });
  await page.keyboard.press("Enter");
  expect(await page.evaluate(() => document.activeElement?.id)).toBe("main");
  await page.keyboard.press("Tab");
  expect(await focused()).toBe("Create topic");

  await page.keyboard.press("/");
  expect(await focused()).toBe("Search topics");
  await page.keyboard.type("o");
  await page.keyboard.press("ArrowDown");
  expect(await focused()).toBe("Topics");
  await page.keyboard.press("End");
  await page.keyboard.press("Home");
  await page.keyboard.press("ArrowDown");
  const active = () => page.locator(".grid-active").innerText();
  const chosen = (await active()).split("\n")[0]!;
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: chosen, exact: true }).waitFor();
});

test("arrow keys go through the messages, and the open one follows", async () => {
  const view = await openConsole();
  const { page } = view;
  await view.goto("#/topics/users.changelog?from=earliest");
  await view.rows("Messages").first().waitFor();
  await page.keyboard.press("/");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.getByRole("region", { name: "Offset 0" }).waitFor();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  await page.getByRole("region", { name: "Offset 2" }).waitFor();
  await page.keyboard.press("End");
  await page.keyboard.press("PageUp");
  const row = await page.locator(".grid-row[aria-selected=true]").boundingBox();
  expect(row!.y).toBeGreaterThan(30);
  expect(row!.y + row!.height).toBeLessThan(860);
  await page.keyboard.press("Escape");
  await expect.poll(() => page.locator(".beside").count()).toBe(0);
});

test("a dialog keeps the focus, closes by Escape, and gives the focus back", async () => {
  const view = await openConsole();
  const { page } = view;
  await view.goto("#/topics");
  const create = page.getByRole("button", { name: "Create topic" });
  await create.focus();
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  expect(await page.evaluate(() => document.activeElement?.id)).toBe(await page.getByLabel("Name").getAttribute("id"));
  for (let step = 0; step < 12; step += 1) {
    await page.keyboard.press("Tab");
    // Between its last and its first control the focus may go to the browser itself, which the page sees as its body.
    expect(await page.evaluate(() => document.activeElement === document.body || !!document.activeElement?.closest("dialog"))).toBe(true);
  }
  await page.keyboard.press("Escape");
  await expect.poll(() => page.getByRole("dialog").count()).toBe(0);
  expect(await create.evaluate((element) => element === document.activeElement)).toBe(true);
});

test("letters go to places, and ? lists them, but not while something is typed", async () => {
  const view = await openConsole();
  const { page } = view;
  await view.goto("#/");
  await page.keyboard.press("g");
  await page.keyboard.press("s");
  await page.getByRole("heading", { name: "Settings" }).waitFor();
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keys" }).waitFor();
  expect(await view.complaints()).toEqual([]);
  await page.keyboard.press("Escape");
  await page.keyboard.press("/");
  await page.keyboard.type("gt?/");
  expect(await page.getByRole("searchbox").inputValue()).toBe("gt?/");
  expect(await page.getByRole("heading", { level: 1 }).innerText()).toBe("Settings");
});

test("what has the focus can be seen", async () => {
  const view = await openConsole();
  const { page } = view;
  await view.goto("#/topics/orders");
  await view.rows("Messages").first().waitFor();
  for (let step = 0; step < 25; step += 1) {
    await page.keyboard.press("Tab");
    const seen = await page.evaluate(() => {
      const focused = document.activeElement as HTMLElement;
      if (focused === document.body) return true;
      const shown = focused.matches("input[type=radio]") ? (focused.nextElementSibling as HTMLElement) : focused;
      return getComputedStyle(shown).outlineStyle !== "none";
    });
    expect(seen, `after ${step + 1} tabs`).toBe(true);
  }
});
