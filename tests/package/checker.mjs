// Opens a package's checking page in Chromium as a double click does, gives it the folder, and prints what it says.
// Usage: node checker.mjs TOOLS PACKAGE
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { join } from "node:path";

const [tools, dir] = process.argv.slice(2);
const { chromium } = createRequire(join(tools, "node/package.json"))("playwright-core");
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
try {
  const page = await browser.newPage();
  const errors = [];
  page.on("pageerror", error => errors.push(String(error)));
  page.on("request", request => { if (!request.url().startsWith("file:")) errors.push(`asked for ${request.url()}`); });
  await page.goto(pathToFileURL(join(dir, "4-CHECK.html")).href);
  await page.setInputFiles("#pick", dir);
  await page.waitForSelector("#verdict.good, #verdict.bad", { timeout: 60_000 });
  const verdict = await page.getAttribute("#verdict", "class");
  const bad = await page.$$eval("td.bad", cells => cells.map(cell => cell.previousSibling.textContent));
  // What is dropped afterwards and cannot be read leaves nothing standing of what was found before.
  await page.evaluate(() => {
    const gone = { isFile: true, fullPath: "/package/4-CHECK.html", file: (_, no) => no(new DOMException("gone", "NotFoundError")) };
    const drop = new Event("drop", { cancelable: true });
    drop.dataTransfer = { items: [{ webkitGetAsEntry: () => gone }] };
    document.getElementById("drop").dispatchEvent(drop);
  });
  await page.waitForFunction(() => document.getElementById("verdict").textContent.includes("NotFoundError"), null, { timeout: 10_000 });
  const unreadable = await page.$eval("#verdict", verdict => [verdict.className, document.getElementById("rows").rows.length]);
  // The digest that takes long files in pieces, against the browser's own, at every length around a block.
  const pieces = await page.evaluate(async () => {
    for (const length of [0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 1000, 100_003]) {
      const bytes = Uint8Array.from({ length }, (_, i) => i * 7 + (i >> 8));
      const sha = new Sha256();
      for (let at = 0; at < length; at += 37) sha.update(bytes.slice(at, at + 37));
      const theirs = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
      if (sha.hex() !== Array.from(theirs, x => x.toString(16).padStart(2, "0")).join("")) return length;
    }
    return "same";
  });
  console.log(JSON.stringify({ verdict, bad, unreadable, pieces, errors }));
} finally {
  await browser.close();
}
