import assert from "node:assert/strict";
import { browserTest } from "../browser/browser.ts";
import { makeChatModel } from "../request/asked.ts";
import { SAE } from "./ask.ts";
import { checkFiles, checkPage, openPage } from "./pages.ts";

/** What a browser says of its own of a request that was refused. */
const REFUSED = /the server responded with a status of 400/;

browserTest("steps, weights and whatever else the table of fields has are on the page", async (browser) => {
  await using opened = await openPage(browser);
  const { page } = opened;
  await opened.done("Why ·golf and not ·tennis?");
  await page.getByText("More settings").click();
  assert.equal(await page.getByLabel("Steps on the way").isVisible(), false);
  await page.getByLabel("Method: activations times").selectOption("integrated-gradients");
  await opened.answered();
  await page.getByLabel("Steps on the way").fill("0");
  await page.getByRole("alert").filter({ hasText: "“Steps on the way” is “0”: give a whole number from 1" }).waitFor();
  assert.equal(await page.getByLabel("Steps on the way").inputValue(), "0", "what was typed stays");
  await page.getByLabel("Steps on the way").fill("6");
  await opened.answered();
  await checkFiles(opened, "--method integrated-gradients --steps 6");
  await page.getByLabel("What is explained").selectOption("weights");
  await page.getByText("Type tokens with their weights").waitFor();
  await page.getByLabel("Tokens with weights").fill(" golf");
  await page.getByRole("alert").filter({ hasText: /“Tokens with weights, one a line” is " golf": give a token/ })
    .waitFor();
  await page.getByLabel("Tokens with weights").fill(" golf=1\n tennis=-0.5");
  await opened.answered();
  await checkFiles(opened, "--token-weight ' golf=1' --token-weight ' tennis=-0.5'");
  await page.getByLabel("Logits in this form").selectOption("no");
  await opened.answered();
  await checkFiles(opened, "--no-center-unembed");
  await page.reload();
  await opened.answered();
  assert.equal(await page.getByLabel("Tokens with weights").inputValue(), " golf=1\n tennis=-0.5");
  await checkPage(opened, REFUSED);
});

browserTest("a chat's variables; a warning and an error name labels", async (browser) => {
  const directory = await Deno.makeTempDir();
  try {
    const offered = { model: await makeChatModel(directory), saes: [], hub: false };
    const hash = `#${new URLSearchParams({
      prompt: "Which sport?",
      chat: "yes",
      sae: SAE,
      pos: " golf",
      neg: " tennis",
    })}`;
    await using opened = await openPage(browser, {}, { offered }, hash);
    const { page } = opened;
    await opened.answered();
    await page.getByLabel("Variables of the template").fill("date=today");
    await page.getByRole("button", { name: "Explain" }).click();
    await opened.answered();
    await checkFiles(opened, "--chat", "--chat-variable date=today");
    await page.getByLabel("SAEs left out at these token ids").fill("0");
    await page.getByLabel("SAEs at special tokens").selectOption("no");
    await page.getByRole("button", { name: "Explain" }).click();
    const words =
      "“SAEs at special tokens: left out” and “SAEs left out at these token ids instead” exclude each other";
    await page.getByRole("alert").filter({ hasText: words }).waitFor();
    await checkPage(opened, REFUSED);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
