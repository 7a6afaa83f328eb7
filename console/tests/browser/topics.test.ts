import { expect, inject, test } from "vitest";
import { openConsole } from "./support/console";

test("a topic is created, changed and deleted", async () => {
  const view = await openConsole();
  const { page } = view;
  await view.goto("#/topics");
  await page.getByRole("button", { name: "Create topic" }).click();
  await page.getByLabel("Name").fill("not a name");
  await page.getByText("Use 1 to 249 letters").waitFor();
  expect(await page.getByRole("button", { name: "Create", exact: true }).isDisabled()).toBe(true);
  expect(await view.complaints()).toEqual([]);
  await page.getByLabel("Name").fill("orders");
  await page.getByRole("button", { name: "Create", exact: true }).click();
  await page.getByText("Topic 'orders' exists already.").waitFor();
  await page.getByLabel("Name").fill("made-here");
  await page.getByLabel("Partitions").fill("2");
  await page.getByLabel("Keep messages for").fill("12h");
  await page.getByRole("button", { name: "Create", exact: true }).click();

  await page.getByRole("heading", { name: "made-here" }).waitFor();
  await page.getByText("No messages yet").waitFor();
  await page.getByRole("link", { name: "Settings" }).last().click();
  await page.getByText("12h").waitFor();
  await page.getByRole("button", { name: "Change" }).first().click();
  await page.getByLabel("Value").fill("soon");
  await page.keyboard.press("Enter");
  await page.getByText("'soon' is not allowed; it takes a time").waitFor();
  await page.getByLabel("Value").fill("7d");
  await page.keyboard.press("Enter");
  await page.getByText("retention.ms is 7d now").waitFor();
  await page.getByRole("button", { name: "Change" }).first().click();
  await page.getByRole("button", { name: "Use the broker's" }).click();
  await expect.poll(() => page.getByText("set for this topic").count()).toBe(0);

  await page.getByRole("link", { name: "Partitions" }).click();
  await page.getByRole("button", { name: "Add partitions" }).click();
  await page.getByLabel("Partitions in all").fill("5");
  await page.keyboard.press("Enter");
  await expect.poll(() => view.rows("Partitions").count()).toBe(5);

  await page.getByRole("button", { name: "Delete topic" }).click();
  const remove = page.getByRole("dialog").getByRole("button", { name: "Delete topic" });
  await page.getByLabel("Type made-here to confirm").fill("made-her");
  expect(await remove.isDisabled()).toBe(true);
  expect(await view.complaints()).toEqual([]);
  await page.getByLabel("Type made-here to confirm").fill("made-here");
  await remove.click();
  await page.getByRole("heading", { name: "Topics" }).waitFor();
  await page.getByText("Topic made-here deleted").waitFor();
  await expect.poll(() => page.getByText("made-here", { exact: true }).count()).toBe(0);
});

test("topics are searched by a part of their name, and sorted by what they show", async () => {
  const view = await openConsole();
  const { page } = view;
  await view.goto("#/topics");
  await page.getByRole("searchbox").fill("PAY");
  await expect.poll(() => view.rows("Topics").count()).toBe(1);
  await page.getByRole("searchbox").fill("no such");
  await page.getByText("No topic has this in its name.").waitFor();
  await page.keyboard.press("Escape");
  await expect.poll(() => view.rows("Topics").count()).toBeGreaterThan(5);
  await page.getByRole("button", { name: "Partitions" }).click();
  await expect.poll(() => view.rows("Topics").first().innerText()).toMatch(/page-views/);
  await page.getByRole("button", { name: "Partitions" }).click();
  await expect.poll(() => view.rows("Topics").last().innerText()).toMatch(/page-views/);
  await page.getByRole("checkbox", { name: "Internal ones" }).check();
  await page.getByText("__consumer_offsets").waitFor();
});

test("a group is moved only after its preview, and forgotten only by its name", async () => {
  const url = inject("url");
  const offsets = [0, 1, 2].map((partition) => ({ topic: "orders", partition, offset: 100 }));
  await fetch(`${url}/groups/to-move/offsets`, { method: "PUT", body: JSON.stringify({ offsets }), headers: { "Content-Type": "application/json" } });
  const view = await openConsole();
  const { page } = view;
  await view.goto("#/groups/to-move");
  const committed = async () => {
    const group = (await (await fetch(`${url}/groups/to-move`)).json()) as { offsets: { offset: number }[] };
    return group.offsets.map((each) => each.offset);
  };
  await page.getByRole("button", { name: "Reset offsets" }).click();
  await page.getByRole("button", { name: "Preview" }).click();
  await page.getByText("−100").first().waitFor();
  expect(await committed()).toEqual([100, 100, 100]);
  expect(await view.complaints()).toEqual([]);
  await page.getByRole("radio", { name: "Offset" }).check();
  await page.getByRole("textbox", { name: "Offset" }).fill("150");
  await page.getByLabel("Partition", { exact: true }).selectOption("2");
  await page.getByRole("button", { name: "Preview" }).click();
  await page.getByText("+50").waitFor();
  await page.getByRole("button", { name: "Reset 1 offset" }).click();
  await page.getByText("1 offset of orders reset").waitFor();
  expect(await committed()).toEqual([100, 100, 150]);
  await page.getByRole("button", { name: "Delete group" }).click();
  await page.getByLabel("Type to-move to confirm").fill("to-move");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Groups" }).waitFor();
  expect((await fetch(`${url}/groups/to-move`)).status).toBe(404);
});

test.skipIf(!inject("hasMembers"))("a group with members shows who reads what, and is left to them", async () => {
  const view = await openConsole();
  await view.goto("#/groups/fulfilment");
  await view.page.getByText("Stable").waitFor();
  await expect.poll(() => view.page.locator(".member").count()).toBe(2);
  await view.page.getByText("only they move its offsets").waitFor();
  expect(await view.page.getByRole("button", { name: "Reset offsets" }).isDisabled()).toBe(true);
  await expect.poll(() => view.rows("Offsets by partition").count()).toBe(3);
  expect(await view.rows("Offsets by partition").first().innerText()).toMatch(/fulfilment-[12]/);
  expect(await view.complaints()).toEqual([]);
});
