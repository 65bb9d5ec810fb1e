/** The page of the site: it answers itself. */
import { startPage } from "../../web/page/page.ts";
import { becomeIsolated } from "./isolation.ts";
import { WorkerEngine } from "./worker_engine.ts";

await becomeIsolated();
startPage(new WorkerEngine());
