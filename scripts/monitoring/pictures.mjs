// Opens each page that standard input names (`[{url, file}]`) in a headless Chromium and saves what it shows. Run by
// pictures.py; NODE_MODULES holds playwright-core and CHROMIUM is the browser.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import path from 'node:path';

const { CHROMIUM, NODE_MODULES } = process.env;
const { chromium } = createRequire(path.join(NODE_MODULES, 'x.js'))('playwright-core');
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--disable-background-networking'];

const shots = JSON.parse(readFileSync(0, 'utf8'));
const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 960 } });
  for (const { url, file } of shots) {
    const answer = await page.goto(url, { waitUntil: 'networkidle', timeout: 30_000 });
    if (answer.status() !== 200) throw new Error(`${url} answers ${answer.status()}`);
    await page.waitForTimeout(1_000);
    await page.screenshot({ path: file });
    console.log(`  ${file}`);
  }
} finally {
  await browser.close();
}
