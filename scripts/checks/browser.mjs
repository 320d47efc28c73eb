// Swagger UI in a real browser: a headless Chromium opens the page of each API, executes calls by
// "Try it out", and reads what the page shows of the answer. Run by with_shop.py, which says where
// the shop is; NODE_MODULES holds playwright-core and CHROMIUM is the browser.
import { createRequire } from 'node:module';
import path from 'node:path';

const { CHROMIUM, NODE_MODULES, SHOP_CART, SHOP_GATEWAY, SHOP_PRODUCTS } = process.env;
const { chromium } = createRequire(path.join(NODE_MODULES, 'x.js'))('playwright-core');

const WAIT = 20_000;
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

// Opens Swagger UI, and fails where the page asks for anything beyond the shop or logs an error.
async function open(browser, base) {
  const page = await browser.newPage();
  page.setDefaultTimeout(WAIT);
  const faults = [];
  page.on('pageerror', (error) => faults.push(`script error: ${error.message}`));
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(base) && !url.startsWith('data:') && !url.startsWith('blob:')) {
      faults.push(`asks for ${url}, which is not inside the binary`);
    }
  });
  const answer = await page.goto(`${base}/swagger/`);
  if (answer.status() !== 200) throw new Error(`${base}/swagger/ answers ${answer.status()}`);
  await page.waitForSelector('.opblock');
  return { page, faults };
}

// One call by "Try it out"; the status and body as the page shows them.
async function call(page, method, route, { parameters = {}, body } = {}) {
  const block = page
    .locator('.opblock')
    .filter({ has: page.locator(`.opblock-summary-path[data-path="${route}"]`) })
    .filter({ has: page.locator('.opblock-summary-method', { hasText: new RegExp(`^${method}$`) }) });
  if ((await block.count()) !== 1) throw new Error(`the page shows ${await block.count()} of ${method} ${route}`);
  if (!(await block.locator('.try-out__btn').isVisible())) await block.locator('.opblock-summary').click();
  const button = block.locator('.try-out__btn');
  if ((await button.textContent()).includes('Try it out')) await button.click();
  for (const [name, value] of Object.entries(parameters)) {
    await block.locator(`tr[data-param-name="${name}"] input`).fill(String(value));
  }
  if (body !== undefined) await block.locator('textarea.body-param__text').fill(JSON.stringify(body));
  await block.locator('button.execute').click();
  const live = block.locator('.live-responses-table .response').first();
  await live.waitFor();
  const status = Number((await live.locator('.response-col_status').textContent()).match(/\d+/)?.[0]);
  const shown = live.locator('.response-col_description .highlight-code pre, .response-col_description pre').first();
  const text = (await shown.count()) ? await shown.textContent() : '';
  return { status, text };
}

function expect(what, answer, status, test) {
  if (answer.status !== status) throw new Error(`${what}: expected ${status}, the page shows ${answer.status} ${answer.text}`);
  let value;
  try {
    value = JSON.parse(answer.text);
  } catch {
    throw new Error(`${what}: the page shows no JSON: ${answer.text}`);
  }
  if (!test(value)) throw new Error(`${what}: unexpected body ${answer.text}`);
  console.log(`  ${what}: ${answer.status} ${JSON.stringify(value)}`);
  return value;
}

async function cart(page, sku) {
  const add = { parameters: { user_id: 7, sku }, body: { count: 2 } };
  const route = '/user/{user_id}/cart/{sku}';
  expect('add to the cart', await call(page, 'POST', route, add), 201, (v) => Object.keys(v).length === 0);
  const view = await call(page, 'GET', '/user/{user_id}/cart', { parameters: { user_id: 7 } });
  expect('view the cart', view, 200, (v) => v.items.length === 1 && v.items[0].sku === sku && v.items[0].count === 2);
  const paid = await call(page, 'POST', '/checkout/{user_id}', { parameters: { user_id: 7 } });
  return expect('check out', paid, 200, (v) => v.order_id >= 1).order_id;
}

async function gateway(page, sku, order) {
  const info = await call(page, 'GET', '/order/info', { parameters: { orderId: order } });
  expect('order info', info, 200, (v) => v.status === 'awaiting payment' && v.items[0].sku === String(sku));
  const create = { body: { userId: '8', items: [{ sku: String(sku), count: 1 }] } };
  const made = await call(page, 'POST', '/order/create', create);
  expect('create an order', made, 200, (v) => /^\d+$/.test(v.orderId));
  const unknown = await call(page, 'GET', '/stock/info', { parameters: { sku: 9_007_199_254 } });
  expect('stock of an unknown sku', unknown, 404, (v) => v.code === 5);
}

const products = await fetch(`${SHOP_PRODUCTS}/product?count=1&start_after_sku=0`, { headers: { 'X-API-KEY': 'testToken' } });
const { sku } = (await products.json())[0];
const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
try {
  console.log(`chromium ${browser.version()}, sku ${sku}`);
  const shop = await open(browser, SHOP_CART);
  const order = await cart(shop.page, sku);
  const loms = await open(browser, SHOP_GATEWAY);
  await gateway(loms.page, sku, order);
  const faults = [...shop.faults, ...loms.faults];
  if (faults.length) throw new Error(faults.join('\n'));
} finally {
  await browser.close();
}
