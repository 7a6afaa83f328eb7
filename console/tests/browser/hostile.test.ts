import { expect, inject, test } from "vitest";
import { openConsole } from "./support/console";

const url = inject("url");
const ATTACKS = [
  "<script>globalThis.hacked = 1</script>",
  '<img src=x onerror="globalThis.hacked = 1">',
  "<svg onload=globalThis.hacked=1>",
  '"><iframe srcdoc="<script>parent.hacked=1</script>">',
  "javascript:globalThis.hacked=1",
  "</pre></div><style>body{display:none}</style>",
  "\u202Egnp.exe \u0000 \uFFFD",
];

async function send(method: string, path: string, body: unknown): Promise<void> {
  const response = await fetch(url + path, { method, body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });
  if (!response.ok) throw new Error(`${path}: ${await response.text()}`);
}

test("messages that are markup stay text, in every part and every look", async () => {
  await send("POST", "/topics", { name: "hostile" });
  const records = ATTACKS.map((attack) => ({ key: attack, value: attack, headers: { [attack]: attack } }));
  const json = { key: "json", value: { [ATTACKS[1]!]: ATTACKS[0]!, list: ATTACKS } };
  await send("POST", "/topics/hostile/records", { records: [...records, json] });
  const view = await openConsole();
  const { page } = view;
  await view.goto("#/topics/hostile?from=earliest");
  for (let index = 0; index <= ATTACKS.length; index += 1) {
    await view.rows("Messages").nth(index).click();
    const message = page.getByRole("region", { name: `Offset ${index}`, exact: true });
    await message.waitFor();
    for (const look of await message.getByRole("radio").all()) await look.check();
    if (index < ATTACKS.length - 1) {
      await message.getByRole("radio", { name: "Text" }).check();
      expect(await message.locator(".payload").last().textContent()).toBe(ATTACKS[index]);
      expect(await message.locator(".headers dt").textContent()).toBe(ATTACKS[index]);
    }
  }
  await page.getByRole("searchbox").fill("<img");
  await page.keyboard.press("Enter");
  await page.getByText(/ found, /).waitFor();
  await view.rows("Messages").first().click();
  await page.getByRole("button", { name: "Produce again" }).click();
  await page.getByRole("dialog").waitFor();
  await expectUnharmed(view.page);
});

test("names that are markup stay text: of groups, of members' words, of addresses typed by hand", async () => {
  const group = '<img/src=x/onerror="globalThis.hacked=1">';
  await send("PUT", `/groups/${encodeURIComponent(group)}/offsets`, { offsets: [{ topic: "orders", partition: 0, offset: 1 }] });
  const view = await openConsole();
  const { page } = view;
  await view.goto("#/groups");
  await page.getByRole("link", { name: group }).click();
  await page.getByRole("heading", { name: group }).waitFor();
  await page.getByRole("button", { name: "Delete group" }).click();
  await page.getByRole("dialog").getByText(group).waitFor();
  await page.keyboard.press("Escape");
  for (const attack of ATTACKS.slice(0, 5)) {
    await view.goto(`#/topics/${encodeURIComponent(attack)}`);
    await expect.poll(() => page.locator("h1").textContent()).toBe(attack);
    await view.goto(`#/topics/orders?search=${encodeURIComponent(attack)}&from=${encodeURIComponent(attack)}&partition=0`);
    await page.locator("main").waitFor();
  }
  await view.goto("#/topics");
  await page.getByRole("searchbox").fill(ATTACKS[1]!);
  await page.getByText("No topic has this in its name.").waitFor();
  await expectUnharmed(page);
});

test("the page may run and load nothing but its own", async () => {
  const response = await fetch(`${url}/`, { headers: { Accept: "text/html" } });
  const policy = response.headers.get("content-security-policy")!;
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toContain("unsafe");
  const html = await response.text();
  expect(html).not.toMatch(/\son\w+=|style=|<script(?![^>]*\ssrc=)|https?:\/\//);
  const view = await openConsole();
  await view.goto("#/");
  const ran = await view.page.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "globalThis.hacked = 1";
    document.body.append(script);
    return "hacked" in globalThis;
  });
  expect(ran).toBe(false);
  view.problems.length = 0; // the browser rightly complained
});

async function expectUnharmed(page: import("playwright-core").Page): Promise<void> {
  await page.waitForTimeout(100);
  expect(await page.evaluate(() => "hacked" in globalThis)).toBe(false);
  expect(await page.locator("main img, main iframe, main script, main style").count()).toBe(0);
}
