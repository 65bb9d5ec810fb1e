/** Packages that only the browser tests use. */
export { chromium } from "npm:playwright-core@1.65.1";
export type { Browser, BrowserContext, Page } from "npm:playwright-core@1.65.1";
export { default as axe } from "npm:axe-core@4.14.1";
export { default as puppeteer } from "npm:puppeteer-core@25.16.0";
export type { Browser as FirefoxBrowser } from "npm:puppeteer-core@25.16.0";
