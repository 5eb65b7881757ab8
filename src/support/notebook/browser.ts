/** The headless browser that draws still pictures, and in which tests see what a reader sees. */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Browser } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'chrome.exe'];
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A Chromium: the one that CACHE_ONCE_CHROMIUM names, one on the PATH, or an installed Chrome. */
export async function launchBrowser(): Promise<Browser | undefined> {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const onPath = NAMES.flatMap((name) => folders.map((folder) => join(folder, name)));
  const executablePath = [process.env.CACHE_ONCE_CHROMIUM, ...onPath].find(
    (path) => path && existsSync(path),
  );
  const which = executablePath ? { executablePath } : { channel: 'chrome' };
  try {
    const { chromium } = await import('playwright-core'); // not there after npm ci --omit=dev
    return await chromium.launch({ ...which, args: FLAGS });
  } catch {
    return undefined;
  }
}
