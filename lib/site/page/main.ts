/// <reference lib="dom" />
/** The page of the site: it answers itself. */
import { startPage } from "../../web/page/page.ts";
import { becomeIsolated } from "./isolation.ts";
import { WorkerEngine } from "./worker_engine.ts";

await becomeIsolated();
startPage(new WorkerEngine());
// Once there is an answer, the scripts that other questions need may come too: a visit without a network has them then.
document.getElementById("result")!.addEventListener("answered", () => {
  navigator.serviceWorker?.controller?.postMessage("keep scripts");
}, { once: true });
