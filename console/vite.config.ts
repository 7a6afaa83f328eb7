import { defineConfig } from "vitest/config";

// `npm run dev` serves the sources and asks this broker for everything else.
const broker = process.env["BROKER"] ?? "http://127.0.0.1:8080";
const paths = ["/broker", "/topics", "/groups", "/healthz", "/readyz", "/docs", "/openapi.json", "/metrics"];

export default defineConfig({
  base: "/console/",
  server: { proxy: Object.fromEntries(paths.map((path) => [path, broker])) },
  build: {
    outDir: "../src/logmq/protocols/http/console",
    emptyOutDir: true,
    target: ["chrome123", "firefox120", "safari17.5"], // the first ones with light-dark() in style sheets
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
  },
  test: {
    projects: [
      { test: { name: "unit", include: ["tests/unit/**/*.test.ts"] } },
      {
        test: {
          name: "browser",
          expect: { poll: { timeout: 8000 } },
          globalSetup: "tests/browser/support/setup.ts",
          include: ["tests/browser/**/*.test.ts"],
          maxWorkers: 2,
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: "screenshots",
          globalSetup: "tests/browser/support/setup.ts",
          include: ["tests/screenshots.ts"],
          testTimeout: 600_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
